// What every test of the page stands on: things that are ended after it, and a browser that is watched throughout.
import { test as base, expect, type Page } from "@playwright/test";
import axe from "axe-core";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Box, type Stream } from "./box.ts";
import { Broker } from "./broker.ts";
import { GStreamer, SimCamera, type Codec } from "./cameras.ts";
import { SCREENSHOTS } from "./places.ts";

export interface Stage {
  /** A box on its own port. */
  box(streams?: Stream[], more?: string): Promise<Box>;
  /** The same, claimed, and this page's browser signed in to it. */
  signedIn(streams?: Stream[], more?: string): Promise<Box>;
  /** The same as an appliance, whose /run is a folder. */
  appliance(streams?: Stream[], more?: string): Promise<Box>;
  camera(...options: string[]): Promise<SimCamera>;
  gstreamer(codec?: Codec): Promise<GStreamer>;
  /** An MQTT broker that asks for a password. */
  broker(): Promise<Broker>;
  /** Requests that went elsewhere than to a box of this test. */
  readonly strayed: string[];
  /** What the browser refused or the page did not catch. */
  readonly complaints: string[];
}

export const test = base.extend<{ stage: Stage; shot: (name: string) => Promise<void> }>({
  stage: async ({ page, context }, use) => {
    const ending: { end(): Promise<void> }[] = [];
    const boxes: Box[] = [];
    const strayed: string[] = [];
    const complaints: string[] = [];
    const keep = <T extends { end(): Promise<void> }>(one: T): T => {
      ending.push(one);
      return one;
    };
    watch(page, () => boxes.map(({ host }) => host), strayed, complaints);
    const start = async (streams: Stream[] | undefined, more: string | undefined, isAppliance: boolean) => {
      const box = keep(await Box.start(streams, more, isAppliance));
      boxes.push(box);
      return box;
    };
    const signIn = async (box: Box) => {
      const [name = "", value = ""] = (await box.claim()).split("=", 2);
      await context.addCookies([{ name, value, domain: "127.0.0.1", path: "/", httpOnly: true, sameSite: "Strict" }]);
      return box;
    };
    const stage: Stage = {
      strayed,
      complaints,
      async box(streams, more) {
        return start(streams, more, false);
      },
      async signedIn(streams, more) {
        return signIn(await start(streams, more, false));
      },
      async appliance(streams, more) {
        return signIn(await start(streams, more, true));
      },
      camera: async (...options) => keep(await SimCamera.start(options)),
      gstreamer: async (codec) => keep(await GStreamer.start(codec)),
      broker: async () => keep(await Broker.start()),
    };
    await use(stage);
    const failed = test.info().status !== test.info().expectedStatus;
    for (const box of failed ? boxes : []) await test.info().attach("the daemon's log", { body: box.log });
    await page.close(); // before its box, so that nobody complains that it is gone
    for (const one of ending.reverse()) await one.end();
    expect(strayed, "no request leaves the box").toEqual([]);
    expect(complaints, "the browser has nothing to complain of").toEqual([]);
  },
  shot: async ({ page }, use, info) => {
    await mkdir(SCREENSHOTS, { recursive: true });
    await use(async (name) => {
      await page.screenshot({ path: join(SCREENSHOTS, `${info.project.name}-${name}.png`), animations: "disabled" });
    });
  },
});

export { expect };

/** Every request, WebSocket, refusal of the Content-Security-Policy and uncaught error of a page. */
function watch(page: Page, hosts: () => string[], strayed: string[], complaints: string[]): void {
  const judge = (url: string) => {
    const { protocol, host } = new URL(url);
    if (protocol === "data:" || protocol === "blob:") return;
    if (!hosts().includes(host)) strayed.push(url);
  };
  page.on("request", (request) => judge(request.url()));
  page.on("websocket", (socket) => judge(socket.url()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (/Content.Security.Policy|Refused to/i.test(message.text())) complaints.push(message.text());
  });
}

/** Serious and critical findings of axe-core on the page as it is now, one line each. */
export async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    return grave.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary ?? ""}`));
  });
}
