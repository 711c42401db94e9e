// One browser, two shapes: a desk's and a phone's. Each test has a box and cameras of its own.
import { defineConfig } from "@playwright/test";
import { join } from "node:path";
import { ROOT } from "./harness/places.ts";

export default defineConfig({
  testDir: "tests",
  outputDir: join(ROOT, "target", "page-tests"),
  timeout: 90_000,
  expect: { timeout: 15_000 },
  forbidOnly: true,
  fullyParallel: true,
  workers: 2,
  retries: 0,
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env["PULSEBOX_CHROMIUM"] ?? "/usr/bin/chromium",
      args: ["--autoplay-policy=no-user-gesture-required"],
    },
  },
  projects: [
    { name: "wide", use: { viewport: { width: 1280, height: 800 } } },
    { name: "phone", use: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 } },
  ],
});
