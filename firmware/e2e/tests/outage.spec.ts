// What goes wrong shows on the wall by itself, and leaves evidence.
import { expect, test } from "../harness/test.ts";

test("an outage appears on the wall within its time, and its incident holds evidence", async ({ page, stage, shot }) => {
  const camera = await stage.camera();
  const box = await stage.signedIn([{ name: "Gate", url: camera.url }, { name: "Yard", url: (await stage.camera()).url }]);
  await box.untilState("gate", "up");
  await box.untilState("yard", "up");
  await page.goto(box.origin);
  const tile = page.getByRole("list", { name: "Cameras" }).getByRole("listitem").filter({ hasText: "Gate" });
  await expect(tile).toContainText("Up");
  await expect(tile.getByRole("img", { name: /^Gate,/ })).toBeVisible();

  const since = Date.now();
  await camera.mood("wrong_password");
  // A heartbeat (5 s) to the first failure; credentials are not tried again fast, so another to the second.
  await expect(tile).toContainText("Down", { timeout: 25_000 });
  expect(Date.now() - since, "told within its time").toBeLessThan(25_000);
  await expect(page).toHaveTitle(/1 down/);
  await expect(page.locator("link#icon")).toHaveAttribute("href", /favicon-down/);
  const first = page.getByRole("list", { name: "Cameras" }).getByRole("listitem").first();
  await expect(first, "worst first").toContainText("Gate");
  await expect(page.getByText("1 of 2 up").first()).toBeVisible();
  await shot("wall-outage");

  await page.getByRole("link", { name: "Gate", exact: true }).click();
  const incidents = page.getByRole("region", { name: /Incidents/ });
  await expect(incidents.getByText(/First bad answer/)).toBeVisible();
  await expect(incidents.getByLabel("The camera's first bad answer")).toContainText("401");
  const good = incidents.getByRole("img", { name: /Last good picture/ });
  await good.scrollIntoViewIfNeeded();
  await expect(good).toBeVisible();
  await expect.poll(() => good.evaluate((img: HTMLImageElement) => img.naturalWidth)).toBeGreaterThan(0);
  await expect(incidents.getByText("What to do")).toBeVisible();
  await shot("incident");

  await camera.mood("healthy");
  // Refused credentials are tried seldom, so that the camera locks no account; the person need not wait for that.
  await page.getByRole("button", { name: "Check now" }).click();
  await expect(page.getByRole("region", { name: "State" })).toContainText("Living picture");
  await expect(incidents).toContainText("lasted", { timeout: 30_000 });
});

test("while the daemon is gone the page says that its data is old, and it comes back by itself", async ({ page, stage, shot }) => {
  const camera = await stage.camera();
  const box = await stage.signedIn([{ name: "Gate", url: camera.url }]);
  await box.untilState("gate", "up");
  await page.goto(box.origin);
  await expect(page.getByRole("link", { name: "Gate", exact: true })).toBeVisible();
  await box.down();
  await expect(page.getByRole("alert").filter({ hasText: "showing data of" })).toBeVisible({ timeout: 20_000 });
  await shot("wall-old");
  await box.up();
  await expect(page.getByText("showing data of")).toHaveCount(0, { timeout: 40_000 });
  await expect(page.getByRole("link", { name: "Gate", exact: true })).toBeVisible();
});
