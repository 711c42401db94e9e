// Cameras at the box, on a machine that has none: nothing is said of them until somebody wants one. Real ones are
// tried in a virtual machine (vm/tests/test_page.py).
import { expect, findings, test } from "../harness/test.ts";

test("nothing is said of cameras at the box until somebody writes one's URL", async ({ page, stage, shot }) => {
  const box = await stage.signedIn();
  expect(await box.get("/api/local-cameras")).toEqual({ cameras: [] });
  await page.goto(`${box.origin}/#/add`);
  const url = page.getByLabel("URL", { exact: true });
  await expect(url).toBeVisible();
  const none = page.getByText("No camera is plugged in at this box");
  await expect(none).toHaveCount(0);
  await expect(page.getByRole("heading", { name: "At this box" })).toHaveCount(0);

  const networked = ["Maker", "User name", "Password", "Sub-stream URL"];
  for (const field of networked) await expect(page.getByLabel(field, { exact: true })).toBeVisible();
  await url.fill("v4l2:///dev/video0");
  await expect(none).toBeVisible();
  for (const field of networked) await expect(page.getByLabel(field, { exact: true }), field).toHaveCount(0);
  await page.getByText("More: heartbeat, alarms").click();
  await expect(page.getByLabel("Transport"), "a device has none").toHaveCount(0);
  await expect(page.getByLabel("Heartbeat", { exact: true })).toBeVisible();
  await page.evaluate(() => window.scrollTo(0, 0));
  expect(await findings(page)).toEqual([]);
  await shot("add-local");

  await url.fill("rtsp://192.168.1.20/stream1");
  for (const field of networked) await expect(page.getByLabel(field, { exact: true })).toBeVisible();
  await expect(none).toHaveCount(0);
});

test("a device that is not there is told as one, at its rung, and can be added anyway", async ({ page, stage, shot }) => {
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/add`);
  await page.getByLabel("Name", { exact: true }).fill("Bench");
  await page.getByLabel("URL", { exact: true }).fill("v4l2:///dev/video7");
  await page.getByRole("button", { name: "Try it" }).click();
  const check = page.getByRole("region", { name: "The check" });
  const failed = check.getByRole("listitem").filter({ hasText: ": failed" });
  await expect(failed).toContainText("Opened");
  await expect(failed).toContainText("The camera is not plugged in");
  await expect(failed).toContainText("/dev/video7");
  await expect(check.getByText(/password|network|Wi-Fi/i)).toHaveCount(0);
  await shot("add-local-gone");
  await page.getByRole("button", { name: "Add anyway" }).click();
  await expect(page.getByRole("heading", { name: "Bench", level: 1 })).toBeVisible();
  await box.untilState("bench", "down");
  await expect(page.getByRole("region", { name: "State" })).toContainText("The camera is not plugged in");
  expect(await box.config()).toContain("v4l2:///dev/video7");
  await page.goto(`${box.origin}/#/`);
  await expect(page.getByRole("list", { name: "Cameras" })).toContainText("The camera is not plugged in");
  await shot("wall-local-gone");
  await page.goto(`${box.origin}/#/camera/bench/edit`);
  await expect(page.getByLabel("URL", { exact: true })).toHaveValue("v4l2:///dev/video7");
  await expect(page.getByLabel("User name", { exact: true })).toHaveCount(0);
});

test("a URL that is no device's is refused at its field", async ({ page, stage }) => {
  const box = await stage.signedIn();
  await page.goto(`${box.origin}/#/add`);
  await page.getByLabel("Name", { exact: true }).fill("Bench");
  const url = page.getByLabel("URL", { exact: true });
  await url.fill("v4l2:///etc/passwd");
  await page.getByRole("button", { name: "Try it" }).click();
  await expect(page.getByText("v4l2:///dev/video0 or")).toBeVisible();
});
