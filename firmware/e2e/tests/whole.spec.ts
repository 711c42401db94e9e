// What holds for all of the page: light, usable by everybody, at home on a phone.
import type { Page } from "@playwright/test";
import { expect, findings, test } from "../harness/test.ts";

const WEIGHT_MAX = 150_000;
/** index.html at most, which is asked for anew. */
const AGAIN_MAX = 4_000;

test("the whole page weighs less than 150 kB, and a second visit next to nothing", async ({ page, stage }) => {
  const box = await stage.signedIn();
  let weight = 0;
  const files: string[] = [];
  page.on("requestfinished", async (request) => {
    if (new URL(request.url()).pathname.startsWith("/api/")) return;
    const { responseBodySize } = await request.sizes();
    weight += responseBodySize;
    files.push(`${request.url()}: ${responseBodySize}`);
  });
  // Every page once, so that what is loaded late counts too.
  for (const where of ["", "#/add", "#/settings/general", "#/settings/about", "#/yaml"]) {
    await page.goto(`${box.origin}/${where}`);
    await expect(page.getByRole("heading").first()).toBeAttached();
  }
  await expect.poll(() => files.length).toBeGreaterThan(2);
  expect(weight, files.join("\n")).toBeGreaterThan(10_000);
  expect(weight, files.join("\n")).toBeLessThan(WEIGHT_MAX);

  weight = 0;
  files.length = 0;
  await page.goto("about:blank");
  await page.goto(box.origin);
  await expect(page.getByRole("heading").first()).toBeAttached();
  expect(weight, files.join("\n")).toBeLessThan(AGAIN_MAX);
});

test("the page cannot reach anybody but its box", async ({ page, stage }) => {
  const box = await stage.signedIn();
  await page.goto(box.origin);
  await expect(page.getByRole("heading").first()).toBeAttached();
  await page.evaluate(() => fetch("http://127.0.0.1:9/").catch(() => {}));
  // The browser itself refuses, by the page's Content-Security-Policy; and this is how every test would notice.
  await expect.poll(() => stage.complaints.length + stage.strayed.length).toBeGreaterThan(0);
  expect(stage.complaints.join()).toMatch(/Content.Security.Policy/i);
  stage.complaints.length = 0;
  stage.strayed.length = 0;
});

/** Every page, and what must be there before it is judged. */
const PAGES: [name: string, where: string, there: (page: Page) => Promise<void>][] = [
  ["wall", "#/", (page) => expect(page.getByRole("list", { name: "Cameras" })).toBeVisible()],
  ["camera", "#/camera/gate", (page) => expect(page.getByRole("heading", { name: "Uptime" })).toBeVisible()],
  ["edit", "#/camera/gate/edit", (page) => expect(page.getByLabel("Name", { exact: true })).toBeVisible()],
  ["add", "#/add", (page) => expect(page.getByLabel("Name", { exact: true })).toBeVisible()],
  ["yaml", "#/yaml", (page) => expect(page.getByRole("textbox", { name: "pulsebox.yaml" })).toBeVisible()],
  ...["general", "cameras", "mqtt", "leds", "web", "history", "password", "tokens", "backup", "about"].map(
    (section): [string, string, (page: Page) => Promise<void>] => [
      `settings-${section}`, `#/settings/${section}`, (page) => expect(page.getByRole("heading", { level: 2 }).first()).toBeVisible(),
    ],
  ),
];

for (const colorScheme of ["light", "dark"] as const) {
  test(`no page has a serious or critical finding of axe-core, ${colorScheme}`, async ({ page, stage, shot }) => {
    test.setTimeout(180_000);
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const well = await stage.camera();
    const ill = await stage.camera("--mood", "frozen");
    const box = await stage.box([
      { name: "Gate", url: well.url }, { name: "Cellar", url: "rtsp://127.0.0.1:9/live" }, { name: "Barn", url: ill.url },
      { name: "Attic", url: well.url, paused: true },
    ]);
    const found: string[] = [];
    await page.goto(box.origin);
    await expect(page.getByRole("heading", { name: /Welcome/ })).toBeVisible();
    found.push(...(await findings(page)).map((one) => `claim: ${one}`));
    const cookie = await box.claim();
    await page.reload();
    await expect(page.getByRole("heading", { name: /Sign in/ })).toBeVisible();
    found.push(...(await findings(page)).map((one) => `sign-in: ${one}`));
    const [name = "", value = ""] = cookie.split("=", 2);
    await page.context().addCookies([{ name, value, domain: "127.0.0.1", path: "/" }]);
    await box.untilState("gate", "up");
    await box.untilState("cellar", "down");
    await page.reload();
    for (const [title, where, there] of PAGES) {
      await page.goto(`${box.origin}/${where}`);
      await there(page);
      await page.waitForLoadState("networkidle", { timeout: 3_000 }).catch(() => {}); // the event stream never idles
      found.push(...(await findings(page)).map((one) => `${title}: ${one}`));
      await shot(`${colorScheme}-${title}`);
    }
    expect(found).toEqual([]);
    // axe-core does look: what is wrong on purpose it finds.
    await page.evaluate(() => document.querySelector("main")?.append(document.createElement("input")));
    expect(await findings(page)).not.toEqual([]);
  });
}

test("nothing is wider than the screen", async ({ page, stage }) => {
  const camera = await stage.camera();
  const box = await stage.signedIn([{ name: "A camera with a name that is longer than anybody would give one", id: "gate", url: camera.url }]);
  await box.untilState("gate", "up");
  for (const [title, where, there] of PAGES) {
    await page.goto(`${box.origin}/${where}`);
    await there(page);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(over, title).toBeLessThanOrEqual(0);
  }
});

test("the keyboard alone reaches a camera and plays it", async ({ page, stage }, info) => {
  test.skip(info.project.name === "phone", "phones have none");
  const camera = await stage.camera();
  const box = await stage.signedIn([{ name: "Gate", url: camera.url }]);
  await box.untilState("gate", "up");
  await page.goto(box.origin);
  await expect(page.getByRole("link", { name: "Gate", exact: true })).toBeVisible();
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? "");
  for (let presses = 0; presses < 40 && (await focused()) !== "Gate"; presses++) await page.keyboard.press("Tab");
  expect(await focused()).toBe("Gate");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Gate", level: 1 })).toBeVisible();
  for (let presses = 0; presses < 40 && (await focused()) !== "Play"; presses++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("region", { name: "Live" }).getByRole("status")).toContainText("Live");
});
