// Every setting without YAML, and YAML for those who like it.
import { readFile } from "node:fs/promises";
import { expect, test } from "../harness/test.ts";
import { PASSWORD } from "../harness/box.ts";

test("a mistake in the YAML is shown at its line and nothing is changed", async ({ page, stage, shot }) => {
  const camera = await stage.camera();
  const box = await stage.signedIn([{ name: "Gate", url: camera.url }]);
  const before = await box.config();
  await page.goto(`${box.origin}/#/yaml`);
  const editor = page.getByRole("textbox", { name: "pulsebox.yaml" });
  await expect(editor).toHaveValue(/heartbeat_seconds/);
  const lines = (await editor.inputValue()).split("\n");
  const at = lines.findIndex((line) => line.startsWith("heartbeat_seconds")) + 1;
  lines[at - 1] = "heartbeat_seconds: often";
  await editor.fill(lines.join("\n"));
  const problem = page.getByRole("list", { name: "Problems" }).getByRole("button");
  await expect(problem).toContainText(`Line ${at}`);
  await expect(problem).toContainText("heartbeat_seconds");
  await problem.click();
  await expect(editor).toBeFocused();
  const chosen = await editor.evaluate((area: HTMLTextAreaElement) => area.value.slice(0, area.selectionStart).split("\n").length);
  expect(chosen, "the cursor is in that line").toBe(at);
  await shot("yaml-error");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByText(/not saved/)).toBeVisible();
  expect(await box.config(), "the file stays as it was").toBe(before);

  lines[at - 1] = "heartbeat_seconds: 7";
  await editor.fill(lines.join("\n"));
  await expect(page.getByText("Without fault: 1 camera.")).toBeVisible();
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect.poll(() => box.config()).toContain("heartbeat_seconds: 7");
});

test("two people who edit the YAML do not overwrite each other unasked", async ({ page, stage }) => {
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/yaml`);
  const editor = page.getByRole("textbox", { name: "pulsebox.yaml" });
  await expect(editor).toHaveValue(/heartbeat_seconds/);
  await box.call("PATCH", "/api/settings", { heartbeat_seconds: 9 });
  await editor.fill((await editor.inputValue()).replace("heartbeat_seconds: 5", "heartbeat_seconds: 11"));
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByText("The file was changed meanwhile")).toBeVisible();
  expect(await box.config()).toContain("heartbeat_seconds: 9");
});

test("a setting is changed, and a bad one is refused at its field", async ({ page, stage, shot }) => {
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/settings/general`);
  const heartbeat = page.getByLabel(/heartbeat/i).first();
  await heartbeat.fill("1");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(heartbeat).toHaveAttribute("aria-invalid", "true");
  await shot("settings-refused");
  await heartbeat.fill("20");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect.poll(() => box.config()).toContain("heartbeat_seconds: 20");
});

test("a token is shown once, works, and is revoked", async ({ page, stage, shot }) => {
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/settings/tokens`);
  await page.getByLabel("Name", { exact: true }).fill("Grafana");
  await page.getByRole("button", { name: "Make it" }).click();
  const token = await page.getByLabel("The new token").inputValue();
  expect(token).toMatch(/^pbx_/);
  await shot("token");
  const asked = (path: string, method = "GET") => fetch(box.origin + path, { method, headers: { Authorization: `Bearer ${token}` } });
  expect((await asked("/api/streams")).status).toBe(200);
  expect((await asked("/api/config")).status, "it may only read").toBe(403);
  await page.reload();
  await expect(page.getByText("Grafana", { exact: true })).toBeVisible();
  await expect(page.getByText(token)).toHaveCount(0);
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByText("There are none yet.")).toBeVisible();
  expect((await asked("/api/streams")).status).toBe(401);
});

test("a backup is downloaded, holds no secret in the clear, and is restored", async ({ page, stage }) => {
  const box = await stage.signedIn([{ name: "Gate", url: "rtsp://viewer:letmein7@127.0.0.1:9/live" }]);
  await page.goto(`${box.origin}/#/settings/backup`);
  await page.getByLabel("Sign-in password", { exact: true }).fill(PASSWORD);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /Download/ }).click()]);
  const file = await download.path();
  expect(await readFile(file, "utf8")).not.toContain("letmein7");
  await box.call("DELETE", "/api/streams/gate?forget=true");
  expect(await box.config()).not.toContain("letmein7");

  await page.locator("input[type=file]").setInputFiles(file);
  await page.getByLabel("The password it was made with", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Restore" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Replace it" }).click();
  await expect.poll(() => box.config()).toContain("letmein7");
});
