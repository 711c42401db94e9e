// The page of a box that runs in a virtual machine; vm/tests/test_page.py starts both. Everything there takes its time.
import { defineConfig } from "@playwright/test";
import { join } from "node:path";
import { ROOT } from "./harness/places.ts";
import base from "./playwright.config.ts";

export default defineConfig({
  ...base,
  testDir: "vm",
  outputDir: join(ROOT, "target", "page-tests-vm"),
  timeout: 420_000,
  expect: { timeout: 90_000 },
  workers: 1,
  projects: [{ name: "vm", use: { viewport: { width: 1280, height: 800 } } }],
});
