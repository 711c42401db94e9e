// LEDs on the page: what they say, what is wrong with one, and the card, on the screen and on paper. This machine has
// no LED: that they light is tried in a virtual machine (vm/tests).
import { join } from "node:path";
import type { Locator, Page } from "@playwright/test";
import { SCREENSHOTS } from "../harness/places.ts";
import { expect, findings, test } from "../harness/test.ts";

interface Row {
  sign: string;
  holds: string;
  green: string;
  advice: string;
  steps: { ms: number }[];
}

const now = (page: Page): Locator => page.getByRole("region", { name: "LEDs now" });
const card = (page: Page): Locator => page.getByRole("region", { name: "LED card" });

/** How long each running animation takes, ms. */
const blinking = (page: Page): Promise<number[]> =>
  page.evaluate(() => document.getAnimations().filter(({ playState }) => playState === "running").map(({ effect }) => Number(effect?.getTiming().duration)));

test("a box without an LED says so, and its card has every pattern in the daemon's words", async ({ page, stage, shot }) => {
  const box = await stage.signedIn([], "leds: { act: false }\n");
  await page.goto(`${box.origin}/#/settings/leds`);
  await expect(now(page)).toContainText("This box has no LED");
  await expect(page.getByText("not acted on yet")).toHaveCount(0);
  const { card: rows } = await box.get<{ card: Row[] }>("/api/leds");
  expect(rows.length).toBeGreaterThan(8);
  await expect(card(page).getByRole("row")).toHaveCount(rows.length + 1);
  for (const [i, row] of rows.entries()) {
    const shown = card(page).getByRole("row").nth(i + 1);
    await expect(shown).toContainText(row.holds, { ignoreCase: true });
    await expect(shown).toContainText(row.green);
    await expect(shown).toContainText(row.advice);
  }
  await expect(card(page).locator("[aria-current=true]"), "no LED shows any of them").toHaveCount(0);
  for (const colorScheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    expect(await findings(page), colorScheme).toEqual([]);
    await page.screenshot({ path: join(SCREENSHOTS, `${test.info().project.name}-${colorScheme}-leds.png`), fullPage: true });
  }
  await card(page).scrollIntoViewIfNeeded();
  await shot("leds-card");
});

test("an LED that cannot be lit says why and what to do, until it is taken out", async ({ page, stage, shot }) => {
  const camera = await stage.camera();
  const box = await stage.signedIn([{ name: "Gate", url: camera.url, led: 23 }], "leds: { green: 27, act: false, chip: pinctrl-nowhere }\n");
  await page.goto(`${box.origin}/#/settings/leds`);
  await expect(now(page)).toContainText("No LED lights");
  const green = now(page).getByRole("listitem").filter({ hasText: "Green" });
  await expect(green).toContainText("27");
  await expect(green).toContainText(/GPIO chip/);
  await expect(now(page).getByRole("listitem").filter({ hasText: "Gate" }).getByRole("link"), "a camera's own LED leads to it").toHaveAttribute("href", "#/camera/gate");
  expect(await findings(page)).toEqual([]);
  await shot("leds-problem");

  await page.getByLabel("Green", { exact: true }).fill("");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(green, "in force by itself").toHaveCount(0);
  await expect(now(page)).toContainText("The box has no LED of its own");
});

test("the card's lamps blink in the pattern's own time, and stand still for who wants that", async ({ page, stage }) => {
  const box = await stage.signedIn();
  const { card: rows } = await box.get<{ card: Row[] }>("/api/leds");
  const period = (sign: string) => rows.find((row) => row.sign === sign)?.steps.reduce((sum, { ms }) => sum + ms, 0);
  await page.goto(`${box.origin}/#/settings/leds`);
  await expect.poll(() => blinking(page)).toContain(period("camera_degraded"));
  expect(await blinking(page)).toContain(period("no_network"));
  expect(await blinking(page), "what is solid does not move").not.toContain(period("all_up"));
  await page.getByRole("button", { name: "Hold still" }).click();
  await expect.poll(() => blinking(page)).toEqual([]);

  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.reload();
  await expect(card(page)).toBeVisible();
  expect(await blinking(page)).toEqual([]);
  await page.getByRole("button", { name: "Let it blink" }).click();
  await expect.poll(() => blinking(page), "who presses it wants it").not.toEqual([]);
});

test("the card is printed alone, on one page", async ({ page, stage }, info) => {
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/settings/leds`);
  await expect(card(page)).toBeVisible();
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  await expect(card(page).getByRole("table")).toBeVisible();
  await expect(card(page), "whoever finds the card finds the page").toContainText(box.origin);
  for (const gone of [now(page), page.getByRole("navigation"), page.getByRole("button"), page.getByLabel("Green", { exact: true })]) {
    await expect(gone.filter({ visible: true })).toHaveCount(0);
  }
  await page.screenshot({ path: join(SCREENSHOTS, `${info.project.name}-leds-print.png`), fullPage: true });
  for (const format of ["A4", "Letter"] as const) {
    const pdf = (await page.pdf({ format, path: join(SCREENSHOTS, `leds-${format}.pdf`) })).toString("latin1");
    expect(pdf.match(/\/Type\s*\/Page\b/g), format).toHaveLength(1);
  }
});

test("the box shows itself at a press", async ({ page, stage }) => {
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/settings/leds`);
  await page.getByRole("button", { name: "Identify this box" }).click();
  await expect(page.getByText("This is the box.")).toBeVisible();
});
