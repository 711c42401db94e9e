// The box as an appliance: its update, its starts, restart and reset. Root's jobs are played by the test: facts are
// told by files, asks are found as files.
import type { Locator, Page } from "@playwright/test";
import { expect, findings, test } from "../harness/test.ts";
import type { Box } from "../harness/box.ts";

const START = { cause: "power", message: "The power was cut.", slot: "A", version: "1.2.0", undervoltage: "no", boot: "boot-1" };
const part = (page: Page, name: string): Locator => page.getByRole("region", { name, exact: true });

async function there(page: Page, box: Box): Promise<void> {
  await box.tell("start", START);
  await box.tell("data", { state: "ok" });
  await box.tell("name", { name: "pulsebox2" });
  await page.goto(`${box.origin}/#/settings/box`);
  await expect(part(page, "System")).toContainText("1.2.0");
}

const choose = (page: Page, bytes: number) =>
  page.getByLabel("Update file").setInputFiles({ name: "pulsebox-1.3.0.raucb", mimeType: "application/octet-stream", buffer: Buffer.alloc(bytes, 7) });

test("the box says what runs, why it started, and how it did before", async ({ page, stage, shot }) => {
  const box = await stage.appliance();
  await there(page, box);
  await expect(part(page, "System")).toContainText("System A; B is the spare");
  await expect(part(page, "System")).toContainText(`http://pulsebox2.local:${box.port}/`);
  await expect(part(page, "System")).toContainText("The power was cut.");
  const starts = part(page, "Starts").getByRole("listitem");
  await expect(starts).toHaveCount(1);
  await expect(starts).toContainText("Power cut");
  await box.tell("start", { ...START, cause: "watchdog", message: "The system hung for 14 s.", undervoltage: "yes" });
  await expect(part(page, "System")).toContainText("The system hung for 14 s.");
  await expect(page.getByText("The power supply is too weak.")).toBeVisible();
  for (const colorScheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await findings(page), colorScheme).toEqual([]);
    await shot(`box-${colorScheme}`);
  }
});

test("an update is uploaded, followed, tried and kept", async ({ page, stage, shot }) => {
  const box = await stage.appliance();
  await there(page, box);
  const update = part(page, "Update");
  await expect(update.getByRole("button", { name: "Upload and install" })).toBeDisabled();
  await choose(page, 3_000_000);
  await update.getByRole("button", { name: "Upload and install" }).click();
  await expect.poll(() => box.isAsked("install")).toBe(true);
  expect((await box.bundle()).equals(Buffer.alloc(3_000_000, 7)), "it is there, whole").toBe(true);
  await box.take("install");

  await box.tell("update", { state: "checking" });
  await expect(update).toContainText("Do not cut the power");
  await expect(update.getByLabel("Update file"), "one at a time").toHaveCount(0);
  await box.tell("update", { state: "writing", percent: 42, version: "1.3.0" });
  await expect(update.getByRole("progressbar", { name: "Written" })).toHaveAttribute("value", "42");
  await expect(page.getByRole("button", { name: "Restart …" })).toBeDisabled();
  expect(await findings(page)).toEqual([]);
  await shot("box-writing");
  await page.goto(`${box.origin}/#/`);
  await expect(page.getByText("An update is under way: do not cut the power.")).toContainText("power");
  await expect(page.getByLabel("Notices")).toContainText("42 %");
  await page.getByLabel("Notices").getByRole("link", { name: "More" }).click();
  await box.tell("update", { state: "written", percent: 100, version: "1.3.0" });
  await expect(update).toContainText("The box restarts into it now");

  await box.tell("update", { state: "trying", version: "1.3.0", was_up: "", was_network: "no" });
  await expect(update).toContainText("runs on trial");
  await expect(update).not.toContainText("Do not cut the power");
  await box.tell("update", { state: "good", version: "1.3.0" });
  await expect(update).toContainText("installed and has proved itself");
  await expect(update.getByLabel("Update file")).toBeVisible();
});

test("an update that is only checked waits until somebody installs it", async ({ page, stage }) => {
  const box = await stage.appliance();
  await there(page, box);
  const update = part(page, "Update");
  await choose(page, 1000);
  await update.getByLabel("Only check it, and install it later").check();
  await update.getByRole("button", { name: "Upload and check" }).click();
  await expect.poll(() => box.isAsked("check")).toBe(true);
  await box.take("check");
  await box.tell("update", { state: "waiting", version: "1.3.0" });
  await expect(update).toContainText("Version 1.3.0 fits and is ready to be installed");
  await update.getByRole("button", { name: "Install it now" }).click();
  await expect.poll(() => box.isAsked("install")).toBe(true);
});

test("what went wrong with an update is told in words, on every page", async ({ page, stage, shot }) => {
  const box = await stage.appliance();
  await there(page, box);
  const update = part(page, "Update");
  await box.tell("update", { state: "refused", message: "It is not signed by a key that this box knows; get it from where the box came from." });
  await expect(update).toContainText("The update was refused. Nothing was written.");
  await expect(update).toContainText("not signed by a key");
  await box.tell("update", { state: "rolled-back", version: "1.3.0", message: "Version 1.3.0 was not well, and version 1.2.0 runs again. Why: gate (no_media) was missing." });
  await expect(update).toContainText("Why: gate (no_media)");
  await shot("box-rolled-back");
  await page.goto(`${box.origin}/#/`);
  await expect(page.getByLabel("Notices")).toContainText("The update was put back. Version 1.3.0 was not well");
  await box.tell("data", { state: "memory", message: "The card has no data partition; use one of 4 GB or more." });
  await box.tell("import", { state: "refused", file: "pulsebox.txt", message: "pulsebox.txt:3:5: `heartbeet` is not known; remove it" });
  await expect(page.getByLabel("Notices")).toContainText("Nothing is kept over a restart. The card has no data partition");
  await expect(page.getByLabel("Notices")).toContainText("The file on the SD card was not taken; the box goes on with the settings it has. pulsebox.txt:3:5");
  await expect(page.getByLabel("Notices"), "once is enough").not.toContainText("The history is not written");
  expect(await findings(page)).toEqual([]);
  await shot("box-notices");
});

test("an upload that the box refuses, or that breaks off, says so and can be tried again", async ({ page, stage }) => {
  const box = await stage.appliance();
  await there(page, box);
  const update = part(page, "Update");
  await choose(page, 0);
  await update.getByRole("button", { name: "Upload and install" }).click();
  await expect(update).toContainText("The file is empty.");
  expect(await box.isAsked("install")).toBe(false);

  await box.down();
  await choose(page, 1000);
  await update.getByRole("button", { name: "Upload and install" }).click();
  await expect(update).toContainText("The connection broke before the file was there");
  await box.up();
  await expect(page.getByText("Connection to Pulsebox lost")).toHaveCount(0, { timeout: 60_000 });
  await update.getByRole("button", { name: "Upload and install" }).click();
  await expect.poll(() => box.isAsked("install")).toBe(true);
});

test("a restart is asked once, and a factory reset only of who types it", async ({ page, stage, shot }) => {
  const box = await stage.appliance();
  await there(page, box);
  await page.getByRole("button", { name: "Restart …" }).click();
  await page.getByRole("button", { name: "Restart", exact: true }).click();
  await expect.poll(() => box.isAsked("restart")).toBe(true);

  await page.getByRole("button", { name: "Factory reset …" }).click();
  const wipe = page.getByRole("button", { name: "Wipe everything" });
  await expect(wipe).toBeDisabled();
  await page.getByLabel("Type reset to go on").fill("rese");
  await expect(wipe).toBeDisabled();
  expect(await findings(page)).toEqual([]);
  await shot("box-reset");
  expect(await box.isAsked("reset")).toBe(false);
  await page.getByLabel("Type reset to go on").fill("reset");
  await wipe.click();
  await expect.poll(() => box.isAsked("reset")).toBe(true);
});

test("a machine that is no appliance shows none of it", async ({ page, stage }) => {
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/settings/about`);
  await expect(page.getByRole("heading", { name: "This box" })).toBeVisible();
  await expect(page.getByRole("navigation", { name: "Settings" }).getByText("Box", { exact: true })).toHaveCount(0);
  await page.goto(`${box.origin}/#/settings/box`);
  await expect(page.getByText("There is no section")).toBeVisible();
});

test("a damaged history is told until somebody has read it", async ({ page, stage, shot }) => {
  const box = await stage.appliance();
  await box.down();
  await box.damageHistory();
  await box.up();
  await page.goto(`${box.origin}/#/`);
  const notices = page.getByLabel("Notices");
  await expect(notices).toContainText("The history was damaged");
  await expect(notices).toContainText("history.sqlite.damaged-");
  expect(await findings(page)).toEqual([]);
  await shot("box-history-repaired");
  await notices.getByRole("button", { name: "Understood" }).click();
  await expect(notices).not.toContainText("damaged");
  await page.reload();
  await expect(page.getByRole("heading", { name: "No cameras yet" })).toBeVisible();
  await expect(notices).not.toContainText("damaged");
});

test("a change of the network asks to be kept, and is", async ({ page, stage, shot }) => {
  const box = await stage.appliance();
  await page.goto(`${box.origin}/#/`);
  await expect(page.getByRole("heading", { name: "No cameras yet" })).toBeVisible();
  expect((await box.call("PATCH", "/api/settings", { "network.name": "shed" })).ok).toBe(true);
  const notices = page.getByLabel("Notices");
  await expect(notices).toContainText("Keep these network settings?");
  await expect(notices).toContainText(/former ones come back in \d+ s/);
  expect(await findings(page)).toEqual([]);
  await shot("box-network-trial");
  await notices.getByRole("button", { name: "Keep them" }).click();
  await expect(notices).not.toContainText("Keep these network settings?");
  await box.until<{ trial: unknown }>("/api/network", ({ trial }) => trial === null);
  expect(await box.config()).toContain("shed");
});

test("saved on the network's own page, it asks at once wherever one has scrolled to, and says when nobody answered", async ({ page, stage, shot }) => {
  const box = await stage.appliance();
  await page.goto(`${box.origin}/#/settings/network`);
  await expect(part(page, "Connections")).toContainText("Not set up.");
  const name = page.getByLabel("Name", { exact: true });
  const before = await name.inputValue();
  await name.fill("shed");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("are to be confirmed within two minutes")).toBeVisible();
  const asks = page.getByLabel("Notices").getByText("Keep these network settings?");
  await expect(asks).toBeInViewport();
  await page.getByRole("button", { name: "Save" }).scrollIntoViewIfNeeded();
  await expect(asks).toBeInViewport();
  await shot("box-network");
  // What the two minutes' end does, without waiting for it: the confirmed settings are in force again.
  await page.getByLabel("Country").fill("DE");
  expect((await box.call("PATCH", "/api/settings", { "network.name": null })).ok).toBe(true);
  await expect(page.getByText("Nobody confirmed the network settings")).toBeVisible();
  await expect(asks).toHaveCount(0);
  await expect(name).toHaveValue(before);
  await expect(page.getByLabel("Country"), "what is being typed stays").toHaveValue("DE");
});
