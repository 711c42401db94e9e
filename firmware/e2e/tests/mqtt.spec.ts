// MQTT from the page: a broker is tried before it is saved, and how the connection is stands there by itself.
import { BROKER_PASSWORD, BROKER_USER } from "../harness/broker.ts";
import type { Locator, Page } from "@playwright/test";
import { expect, findings, test } from "../harness/test.ts";

type Shot = (name: string) => Promise<void>;

/** As it looks in light and in dark, and that neither shuts anybody out. */
async function judged(page: Page, shot: Shot, name: string): Promise<void> {
  for (const colorScheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    expect(await findings(page), `${name}, ${colorScheme}`).toEqual([]);
    await shot(`${colorScheme}-${name}`);
  }
}

const toTop = (page: Page): Promise<void> => page.evaluate(() => window.scrollTo(0, 0));

const tried = (page: Page): Locator => page.getByRole("region", { name: "The try" });
const connection = (page: Page): Locator => page.getByRole("region", { name: "Connection" });
const save = (page: Page): Promise<void> => page.getByRole("button", { name: "Save", exact: true }).click();
const tryIt = (page: Page): Promise<void> => page.getByRole("button", { name: "Try it" }).click();

test("a broker is tried, refused for its password, tried again, saved, lost and found again", async ({ page, stage, shot }) => {
  const broker = await stage.broker();
  const camera = await stage.camera();
  const box = await stage.signedIn([{ name: "Gate", url: camera.url }, { name: "Yard", url: camera.url }]);
  await box.untilState("gate", "up");
  await page.goto(`${box.origin}/#/settings/mqtt`);
  await expect(connection(page)).toContainText("Off");
  await expect(page.getByRole("button", { name: "Try it" }), "there is nothing to try").toBeDisabled();
  await judged(page, shot, "mqtt-off");

  await page.getByLabel("Host", { exact: true }).fill("127.0.0.1");
  await expect(page.getByLabel("Enabled").first(), "who names a broker wants it used").toBeChecked();
  await page.getByLabel("Port", { exact: true }).fill(String(broker.port));
  await page.getByLabel("User name", { exact: true }).fill(BROKER_USER);
  await page.getByLabel("Password", { exact: true }).fill("wrong");
  await tryIt(page);
  await expect(tried(page)).toContainText("refuses the user name or password");
  await expect(tried(page).getByRole("listitem").filter({ hasText: "Connected: reached" })).toBeVisible();
  await expect(tried(page).getByRole("listitem").filter({ hasText: "Taken in by the broker: failed" })).toBeVisible();
  await judged(page, shot, "mqtt-try-refused");

  await page.getByLabel("Password", { exact: true }).fill(BROKER_PASSWORD);
  await expect(tried(page), "what was tried is not what stands there now").toHaveCount(0);
  await tryIt(page);
  await expect(tried(page)).toContainText("It works");
  await judged(page, shot, "mqtt-try-ok");
  expect(await box.config(), "a try saves nothing").not.toContain("mqtt");

  await save(page);
  await expect(connection(page)).toContainText(`Connected to 127.0.0.1:${broker.port} since`);
  await expect(connection(page)).toContainText("Home Assistant has been told of this box and 2 cameras");
  await expect(page.getByText("Kept.", { exact: true })).toBeVisible();
  await expect(connection(page), "what comes of it is in sight").toBeInViewport();
  await judged(page, shot, "mqtt-connected");
  await tryIt(page);
  await expect(tried(page), "the kept password is tried").toContainText("It works");

  await page.getByLabel("Host", { exact: true }).fill("localhost");
  await save(page);
  const password = page.getByLabel("Password", { exact: true });
  await expect(password, "it is to be typed, and may be at once").toBeFocused();
  await expect(page.getByText("The password that is kept goes only to the broker that it was saved for")).toContainText("Type the password again.");
  expect(await box.config(), "nothing is saved").not.toContain("localhost");
  await password.fill(BROKER_PASSWORD);
  await save(page);
  await expect(connection(page)).toContainText(`Connected to localhost:${broker.port} since`);
  expect(JSON.parse(await broker.message("pulsebox/+/cam/gate/state"))).toMatchObject({ state: "up" });

  await broker.down();
  await expect(connection(page)).toContainText("No connection to");
  await expect(connection(page)).toContainText("No broker listens on this port");
  await expect(tried(page), "an old try says nothing of now").toHaveCount(0);
  await toTop(page);
  await judged(page, shot, "mqtt-lost");
  await page.goto(`${box.origin}/#/`);
  const notice = page.getByRole("region", { name: "Notices" });
  await expect(notice).toContainText("No connection to the MQTT broker");
  await expect(page.getByText("2 of 2 up").first(), "the cameras are watched all the same").toBeVisible();
  await judged(page, shot, "wall-broker-lost");
  await broker.up();
  await expect(notice).not.toContainText("MQTT", { timeout: 40_000 });
});

test("each way in which a broker cannot be reached has its own words", async ({ page, stage, shot }) => {
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/settings/mqtt`);
  const host = page.getByLabel("Host", { exact: true });
  const port = page.getByLabel("Port", { exact: true });
  await host.fill("no-such-broker.invalid");
  await tryIt(page);
  await expect(tried(page)).toContainText("The broker's name cannot be found");
  await shot("mqtt-try-name");
  await host.fill("127.0.0.1");
  await port.fill("9");
  await tryIt(page);
  await expect(tried(page)).toContainText("No broker listens on this port");
  await port.fill(String(box.port)); // a web server: it listens, and is no broker
  await tryIt(page);
  await expect(tried(page)).toContainText("or is none");
  await expect(tried(page).getByRole("listitem").filter({ hasText: "Connected: reached" })).toBeVisible();
  await port.fill("0");
  await tryIt(page);
  await expect(port, "a bad value is told at its field").toHaveAttribute("aria-invalid", "true");
});

test("the form shows the one port that its transport uses", async ({ page, stage }) => {
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/settings/mqtt`);
  const shown = async (name: string) => expect(page.getByLabel(name, { exact: true })).toBeVisible();
  await shown("Port");
  await page.getByLabel("Use TLS").check();
  await shown("TLS port");
  await shown("TLS insecure");
  await page.getByLabel("Use WebSocket").check();
  await shown("TLS WebSocket port");
  await expect(page.getByLabel("Port", { exact: true }), "the others are under More").toBeHidden();
});

test("a box that is asked to shows itself, and stops by itself", async ({ page, stage, shot }) => {
  const box = await stage.signedIn();
  await page.goto(box.origin);
  await expect(page.getByText("No cameras yet")).toBeVisible();
  expect((await box.call("POST", "/api/identify")).status).toBe(204);
  await expect(page.getByText("This is the box.")).toBeVisible();
  await shot("identify");
  await expect(page.getByText("This is the box.")).toHaveCount(0);
});
