// A camera that is plugged in at the box, from the list of what is there to moving pictures. The kernel's own test
// camera, `vivid`, stands for it: its driver, node and frames are real, its picture is colour bars with a clock.
import { expect, test, type Locator, type Page } from "@playwright/test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { PASSWORD } from "../harness/box.ts";
import { SCREENSHOTS } from "../harness/places.ts";
import { findings } from "../harness/test.ts";

/** Where the guest's page is on this machine. */
const BOX = process.env["PULSEBOX_VM_PAGE"] ?? "";
/** What the guest's kernel calls the camera. */
const NAME = "vivid";
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 800 };

async function shot(page: Page, name: string): Promise<void> {
  await mkdir(SCREENSHOTS, { recursive: true });
  for (const [shape, size] of [["phone", PHONE], ["wide", DESK]] as const) {
    await page.setViewportSize(size);
    await page.screenshot({ path: join(SCREENSHOTS, `vm-${shape}-${name}.png`), animations: "disabled" });
  }
}

/** Frames that the live view has drawn. */
const drawn = (page: Page): Promise<number> =>
  page.evaluate(() => Number(document.querySelector<HTMLCanvasElement>("canvas.moving:not([hidden])")?.dataset["frames"] ?? 0));

/** How many colours a picture shows, and a number that differs where the picture does. */
const looks = (picture: Locator): Promise<{ colours: number; sum: number }> =>
  picture.evaluate((element) => {
    const source = element as HTMLImageElement | HTMLCanvasElement;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [320, 180];
    const context = canvas.getContext("2d")!;
    context.drawImage(source, 0, 0, 320, 180);
    const { data } = context.getImageData(0, 0, 320, 180);
    const colours = new Set<number>();
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) {
      const [r = 0, g = 0, b = 0] = data.subarray(i, i + 3);
      colours.add(((r >> 6) << 4) | ((g >> 6) << 2) | (b >> 6));
      sum = (sum * 31 + r * 65536 + g * 256 + b) % 4294967291;
    }
    return { colours: colours.size, sum };
  });

test("a camera at the box is offered by name, tried at a click, added, and plays", async ({ page }) => {
  await page.goto(`${BOX}/#/add`);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();

  const here = page.getByRole("region", { name: "At this box" });
  const offered = here.getByRole("listitem").filter({ hasText: NAME });
  await expect(offered).toHaveCount(1);
  await expect(offered).toContainText("/dev/video");
  await expect(offered).toContainText(/YUYV|NV12/);
  await shot(page, "add-offered");
  expect(await findings(page)).toEqual([]);

  await offered.getByRole("button", { name: /Use it/ }).click();
  await expect(page.getByLabel("URL", { exact: true })).toHaveValue(/^v4l2:\/\/\/dev\//);
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue(NAME);
  const check = page.getByRole("region", { name: "The check" });
  await expect(check.getByRole("listitem").filter({ hasText: "Opened" })).toContainText("reached");
  await expect(check).toContainText("It works");
  const picture = check.getByRole("img", { name: "What the camera sees now" });
  await expect(picture).toBeVisible();
  expect((await looks(picture)).colours, "colour bars").toBeGreaterThan(6);
  await expect(check).toContainText(/Raw (YUYV|NV12)/);
  await shot(page, "add-tried");

  await page.getByRole("button", { name: "Add camera" }).click();
  await expect(page.getByRole("heading", { name: NAME, level: 1 })).toBeVisible();
  const live = page.getByRole("region", { name: "Live" });
  await live.getByRole("button", { name: "Play" }).click();
  await expect(live.getByRole("status")).toContainText("Live");
  const before = await drawn(page);
  const first = await looks(live.locator("canvas.moving"));
  await expect.poll(() => drawn(page)).toBeGreaterThan(before + 10);
  const later = await looks(live.locator("canvas.moving"));
  expect(first.colours, "colour bars").toBeGreaterThan(6);
  expect(later.sum, "the picture moves").not.toBe(first.sum);
  await shot(page, "live");
  await live.getByRole("button", { name: "Stop" }).click();

  await page.goto(`${BOX}/#/add`);
  await expect(offered).toContainText(`Watched as ${NAME}`);
  await expect(offered.getByRole("button")).toHaveCount(0);
});
