// A camera's life on the page: added, edited, paused, removed, brought back.
import type { Page } from "@playwright/test";
import { expect, test } from "../harness/test.ts";
import type { CameraAnswer } from "../harness/box.ts";

async function fillNew(page: Page, name: string, url: string): Promise<void> {
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("URL", { exact: true }).fill(url);
}

test("a camera is added by its URL while its ladder climbs", async ({ page, stage, shot }) => {
  const camera = await stage.camera("--mood", "slow", "--user", "viewer", "--password", "garden path");
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/add`);
  await fillNew(page, "Gate", camera.url.replace("://", "://viewer:garden%20path@"));
  await page.getByLabel("Name", { exact: true }).focus();
  // Credentials go into fields of their own.
  await expect(page.getByLabel("User name")).toHaveValue("viewer");
  await expect(page.getByLabel("URL", { exact: true })).not.toHaveValue(/viewer/);

  await page.getByRole("button", { name: "Try it" }).click();
  const ladder = page.getByRole("region", { name: "The check" }).getByRole("list");
  const connected = ladder.getByRole("listitem").filter({ hasText: "Connected" });
  const picture = ladder.getByRole("listitem").filter({ hasText: "Picture" });
  // It climbs before one's eyes: the camera answers late, and the first rungs are there before the last.
  await expect(connected).toContainText("reached");
  await expect(picture).toContainText("not reached");
  await shot("add-climbing");
  await expect(picture).toContainText(/: reached/);
  await expect(page.getByRole("img", { name: "What the camera sees now" })).toBeVisible();
  await shot("add-reached");

  await page.getByRole("button", { name: "Add camera" }).click();
  await expect(page.getByRole("heading", { name: "Gate", level: 1 })).toBeVisible();
  await page.getByRole("link", { name: "Cameras" }).first().click();
  await expect(page.getByRole("list", { name: "Cameras" }).getByRole("link", { name: "Gate" })).toBeVisible();
  const yaml = await box.config();
  expect(yaml).toContain("viewer:garden%20path@");
});

test("a camera with a wrong password says so at its rung, and can be added anyway", async ({ page, stage, shot }) => {
  const camera = await stage.camera("--mood", "wrong_password", "--user", "viewer", "--password", "x");
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/add`);
  await fillNew(page, "Office", camera.url);
  await page.getByLabel("User name").fill("viewer");
  await page.getByLabel("Password", { exact: true }).fill("letmein7");
  await page.getByRole("button", { name: "Try it" }).click();
  const failed = page.getByRole("region", { name: "The check" }).getByRole("listitem").filter({ hasText: ": failed" });
  await expect(failed).toContainText("Camera agrees");
  await expect(failed).toContainText(/user name or password/i);
  await expect(page.getByText("letmein7")).toHaveCount(0);
  await shot("add-refused");
  await page.getByRole("button", { name: /anyway/i }).click();
  await expect(page.getByRole("heading", { name: "Office", level: 1 })).toBeVisible();
});

test("a name that is a script is shown as text and runs nothing", async ({ page, stage, shot }) => {
  const camera = await stage.camera();
  const name = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
  const box = await stage.signedIn([{ name, id: "evil", url: camera.url }]);
  await box.untilState("evil", "up");
  for (const [where, title] of [["#/", "wall"], ["#/camera/evil", "camera"], ["#/camera/evil/edit", "edit"], ["#/settings/cameras", "list"]] as const) {
    await page.goto(`${box.origin}/${where}`);
    if (title !== "edit") await expect(page.getByText(name).filter({ visible: true }).first()).toBeVisible();
    else await expect(page.getByLabel("Name", { exact: true })).toHaveValue(name);
  }
  await page.goto(`${box.origin}/#/camera/evil`);
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await expect(page.getByRole("dialog")).toContainText("<script>");
  await shot("script-name");
  expect(await page.title()).not.toContain("owned");
  expect(await page.locator("img[src=x]").count()).toBe(0);
});

test("a camera is edited: only what changed, its password stays", async ({ page, stage }) => {
  const camera = await stage.camera("--user", "viewer", "--password", "garden path");
  const box = await stage.signedIn([{ name: "Gate", url: camera.url.replace("://", "://viewer:garden%20path@") }]);
  await page.goto(`${box.origin}/#/camera/gate/edit`);
  await expect(page.getByText("Kept, not shown.")).toBeVisible();
  await expect(page.getByText("garden")).toHaveCount(0);
  await page.getByLabel("Name", { exact: true }).fill("Back gate");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Back gate", level: 1 })).toBeVisible();
  const yaml = await box.config();
  expect(yaml).toContain("Back gate");
  expect(yaml).toContain("viewer:garden%20path@");
  await box.untilState("gate", "up");
});

test("a camera is paused and resumed", async ({ page, stage, shot }) => {
  const camera = await stage.camera();
  const box = await stage.signedIn([{ name: "Gate", url: camera.url }]);
  await box.untilState("gate", "up");
  await page.goto(`${box.origin}/#/camera/gate`);
  const state = page.getByRole("region", { name: "State" });
  await state.getByRole("button", { name: "Pause" }).click();
  await shot("pause");
  await page.getByRole("dialog").getByRole("button", { name: "For 1 hour" }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(state).toContainText("paused until");
  await box.untilState("gate", "paused");
  await page.goto(`${box.origin}/#/`);
  await page.getByRole("group", { name: "Show" }).getByRole("button", { name: "Paused" }).click();
  await expect(page.getByRole("list", { name: "Cameras" }).getByRole("listitem")).toHaveCount(1);
  await page.goto(`${box.origin}/#/camera/gate`);
  await state.getByRole("button", { name: "Resume" }).click();
  await box.untilState("gate", "up");
  await expect(state.getByRole("button", { name: "Pause" })).toBeVisible();
});

test("a removed camera keeps its history and is brought back", async ({ page, stage, shot }) => {
  const camera = await stage.camera();
  const box = await stage.signedIn([{ name: "Gate", url: camera.url }]);
  await box.untilState("gate", "up");
  await page.goto(`${box.origin}/#/camera/gate`);
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  const question = page.getByRole("dialog", { name: "Remove Gate?" });
  await expect(question).toContainText("history");
  await shot("remove");
  await question.getByRole("button", { name: "Remove" }).click();
  await expect(page.getByRole("heading", { name: "No cameras yet" })).toBeVisible();
  expect(await box.config()).toContain("removed: true");

  await page.goto(`${box.origin}/#/settings/cameras`);
  await page.getByRole("button", { name: "Restore Gate" }).click();
  await expect(page.getByRole("link", { name: "Gate", exact: true })).toBeVisible();
  const back = await box.untilState("gate", "up");
  expect(back.name).toBe("Gate");
  const incidents = await box.get<CameraAnswer[]>("/api/streams/gate/checks");
  expect(incidents.length, "checks from before are still told").toBeGreaterThan(0);
});
