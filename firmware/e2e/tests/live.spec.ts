// Live video: frames that the browser has decoded are counted, not pictures of a spinner.
import type { Locator, Page } from "@playwright/test";
import { expect, test } from "../harness/test.ts";

const frames = (page: Page): Promise<number> =>
  page.evaluate(() => document.querySelector("video")?.getVideoPlaybackQuality().totalVideoFrames ?? 0);

/** Until so many more frames have been decoded. */
async function plays(page: Page, more: number): Promise<void> {
  const before = await frames(page);
  await expect.poll(() => frames(page), { timeout: 20_000 }).toBeGreaterThan(before + more);
}

const live = (page: Page): Locator => page.getByRole("region", { name: "Live" });

for (const source of ["simcam", "GStreamer's server"] as const) {
  test(`H.264 of ${source} plays, pauses, plays on and stops`, async ({ page, stage, shot }) => {
    const camera = source === "simcam" ? await stage.camera("--width", "1280", "--height", "720", "--fps", "25") : await stage.gstreamer("h264");
    const box = await stage.signedIn([{ name: "Gate", url: camera.url }]);
    await box.untilState("gate", "up");
    await page.goto(`${box.origin}/#/camera/gate`);
    await live(page).getByRole("button", { name: "Play" }).click();
    await plays(page, 20);
    await expect(live(page).getByRole("status")).toContainText("Live");
    await shot(`live-${source === "simcam" ? "simcam" : "gstreamer"}`);

    await live(page).getByRole("button", { name: "Pause" }).click();
    await expect(live(page).getByRole("status")).toContainText("Paused");
    await box.until<{ live: unknown[] }>("/api/system", ({ live }) => live.length <= 1);
    await live(page).getByRole("button", { name: "Play" }).click();
    await plays(page, 10);

    // The last viewer gone, the session ends after its grace.
    await live(page).getByRole("button", { name: "Stop" }).click();
    await expect(live(page).getByRole("img", { name: /^Gate,/ })).toBeVisible();
    await box.until<{ live: { viewers: number }[] }>("/api/system", ({ live }) => live.every(({ viewers }) => viewers === 0));
  });
}

test("a tile of the wall plays at a tap, and shows the thumbnail when it is stopped", async ({ page, stage }) => {
  const camera = await stage.camera();
  const box = await stage.signedIn([{ name: "Gate", url: camera.url }]);
  await box.untilState("gate", "up");
  await page.goto(box.origin);
  const tile = page.getByRole("list", { name: "Cameras" }).getByRole("listitem");
  await tile.getByRole("button", { name: "Play Gate" }).click();
  await plays(page, 10);
  await tile.getByRole("button", { name: "Stop Gate" }).click();
  await expect(tile.getByRole("img", { name: /^Gate,/ })).toBeVisible();
  await expect(tile.getByRole("button", { name: "Play Gate" })).toBeVisible();
});

test("a camera's motion JPEG plays, and MJPEG low is a choice for every camera", async ({ page, stage }) => {
  const camera = await stage.camera("--protocol", "http-mjpeg");
  const box = await stage.signedIn([{ name: "Gate", url: camera.url }]);
  await box.untilState("gate", "up");
  await page.goto(`${box.origin}/#/camera/gate`);
  await live(page).getByRole("button", { name: "Play" }).click();
  await expect(live(page).getByRole("status")).toContainText("Live");
  await live(page).getByRole("button", { name: "Stop" }).click();

  await live(page).getByLabel("Quality").selectOption("low");
  await live(page).getByRole("button", { name: "Play" }).click();
  const picture = live(page).getByRole("img", { name: "Live picture of Gate" });
  await expect(picture).toBeVisible();
  expect(await picture.evaluate((img: HTMLImageElement) => img.naturalWidth)).toBeLessThanOrEqual(320);
});

test("a browser that plays no H.265 is told so before it tries, and offered the sub-stream", async ({ page, stage, shot }) => {
  // Debian's Chromium plays none; the test says so where that changes.
  const main = await stage.camera("--codec", "h265");
  const sub = await stage.camera("--codec", "h264");
  const box = await stage.signedIn([
    { name: "Pool", url: main.url },
    { name: "Pond", url: main.url, sub_url: sub.url },
  ]);
  await box.untilState("pool", "up");
  await box.untilState("pond", "up");
  await page.goto(`${box.origin}/#/camera/pool`);
  expect(await page.evaluate(() => MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L93.B0"'))).toBe(false);
  await expect(live(page).getByText(/does not play H\.265/)).toBeVisible();
  await expect(live(page).getByRole("button", { name: "Play" })).toBeDisabled();
  await shot("h265");

  await page.goto(`${box.origin}/#/camera/pond`);
  await expect(live(page).getByLabel("Quality")).toHaveValue("sub");
  await live(page).getByRole("button", { name: "Play" }).click();
  await plays(page, 10);
});

test("a camera that fails while somebody watches is told in the player", async ({ page, stage }) => {
  const camera = await stage.camera();
  const box = await stage.signedIn([{ name: "Gate", url: camera.url }]);
  await box.untilState("gate", "up");
  await page.goto(`${box.origin}/#/camera/gate`);
  await live(page).getByRole("button", { name: "Play" }).click();
  await plays(page, 5);
  await camera.mood("refuses");
  await expect(live(page).getByRole("status")).toContainText(/refus|media|closed|ended|broke/i, { timeout: 20_000 });
});

test("live goes on by itself after the daemon was restarted", async ({ page, stage }) => {
  const camera = await stage.camera();
  const box = await stage.signedIn([{ name: "Gate", url: camera.url }]);
  await box.untilState("gate", "up");
  await page.goto(`${box.origin}/#/camera/gate`);
  await live(page).getByRole("button", { name: "Play" }).click();
  await plays(page, 5);
  await box.down();
  await expect(live(page).getByRole("status")).toContainText("lost");
  await box.up();
  await expect(live(page).getByRole("status")).toContainText("Live", { timeout: 40_000 });
  await plays(page, 5);
});

test("a standing picture is not called live", async ({ page, stage }) => {
  const camera = await stage.camera();
  const box = await stage.signedIn([{ name: "Gate", url: camera.url }]);
  await box.untilState("gate", "up");
  await page.goto(`${box.origin}/#/camera/gate`);
  await live(page).getByRole("button", { name: "Play" }).click();
  await plays(page, 5);
  await expect(live(page).getByRole("status")).toContainText("Live");
  await camera.mood("hang_accept"); // the session stays open, and nothing comes
  await expect(live(page).getByRole("status")).toContainText(/No picture for \d+ s/, { timeout: 8_000 });
  await expect(live(page).getByRole("status")).not.toContainText("Live");
});

test("a view that breaks off comes back by itself, and its camera is never called down for it", async ({ page, stage }) => {
  const camera = await stage.camera();
  // A check of its own may meet the outage too, and the one after it.
  const box = await stage.signedIn([{ name: "Gate", url: camera.url, alarm: { failures: 3 } }]);
  await box.untilState("gate", "up");
  await page.goto(`${box.origin}/#/camera/gate`);
  const state = page.getByRole("region", { name: "State" });
  await expect(state).toHaveAttribute("data-state", "up");
  await live(page).getByRole("button", { name: "Play" }).click();
  await plays(page, 5);
  const said = await state.evaluateHandle((region) => {
    const all: string[] = [];
    new MutationObserver(() => all.push(region.getAttribute("data-state") ?? "")).observe(region, { attributes: true, subtree: true, childList: true, characterData: true });
    return all;
  });
  await camera.mood("vanish");
  await expect(live(page).getByRole("status")).toContainText("broke off");
  await camera.mood("healthy");
  await expect(live(page).getByRole("status")).toContainText("Live");
  await plays(page, 5);
  await expect.poll(() => said.evaluate((all) => all.length), "the state was looked at meanwhile").toBeGreaterThan(0);
  expect(await said.evaluate((all) => all.filter((one) => one !== "up"))).toEqual([]);
});
