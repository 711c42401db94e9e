// What the page says of times and checks, without a browser. Run by `npm test`, through forms.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CameraView, Recent } from "../src/types";
import { bitRate, bytes, cause, particulars, percent, span, withGaps, withoutAdvice, rungWord, streamFacts } from "../src/words";

const check = (seconds: number): Recent => ({ at: new Date(seconds * 1000).toISOString(), verdict: "ok", severity: "ok", ms: 40 });

test("bars have a gap where nobody watched, and none for one slow check", () => {
  const shown = withGaps([check(0), check(15), check(15 + 48), check(15 + 48 + 51)], 15);
  assert.deepEqual(shown.map((one) => one === null), [false, false, false, true, false]);
});

test("the wait after a refused password is no gap", () => {
  const refused = (seconds: number): Recent => ({ ...check(seconds), verdict: "auth", severity: "fault" });
  const shown = withGaps([refused(0), refused(120), refused(120 + 900), check(120 + 900 + 960)], 15);
  assert.deepEqual(shown.map((one) => one === null), [false, false, false, true, false]);
});

test("uptime is never rounded up to 100 %", () => {
  assert.equal(percent(99.9999), "99.999 %");
  assert.equal(percent(99.996), "99.996 %");
  assert.equal(percent(99.05), "99.05 %");
  assert.equal(percent(97.16), "97.1 %");
  assert.equal(percent(100), "100 %");
});

test("spans and sizes read as people say them", () => {
  assert.deepEqual([47_000, 240_000, 7_500_000, 273_600_000, -5].map(span), ["47 s", "4 min", "2 h 5 min", "3 days 4 h", "0 s"]);
  assert.deepEqual([999, 1_400, 32_000_000_000].map(bytes), ["999 B", "1.4 kB", "32 GB"]);
});

test("advice that stands beside a message is not said twice", () => {
  assert.equal(withoutAdvice("It is black: luma 3. Look for a lens cap.", "Look for a lens cap."), "It is black: luma 3.");
  assert.equal(withoutAdvice("It is black.", ""), "It is black.");
  assert.equal(particulars("It is black: luma 3. Look for a lens cap.", "It is black", "Look for a lens cap."), "Luma 3.");
  assert.equal(particulars("Refused: by 10.0.0.5.", null, null), "Refused: by 10.0.0.5.");
});

test("a camera that is down for an incident's sake says the incident's cause while its checks are good again", () => {
  const words = (verdict: string) => ({ title: `title of ${verdict}`, advice: `advice of ${verdict}` });
  const camera = {
    url: "rtsp://10.0.0.5/live", state: "down", since: "2026-11-21T05:00:00Z", verdict: "ok", severity: "ok", title: "Living picture", advice: "",
    incident: { verdict: "no_media", from: "2026-11-21T04:00:00Z" },
  } as CameraView;
  assert.deepEqual(cause(camera, words), { text: "title of no_media", advice: "advice of no_media", since: "2026-11-21T04:00:00Z" });
  assert.equal(cause({ ...camera, state: "paused", paused_until: null, incident: null }, words).text, "Not checked: paused");
});

test("a camera at the box is told of in its own words, and an incident of it too", () => {
  const words = (verdict: string, local?: boolean) => ({ title: `${verdict} of ${local ? "a device" : "a stream"}`, advice: "" });
  const camera = {
    url: "v4l2:///dev/video0", state: "down", since: "2026-11-21T05:00:00Z", verdict: "ok", severity: "ok", title: "Living picture", advice: "",
    incident: { verdict: "not_found", from: "2026-11-21T04:00:00Z" },
  } as CameraView;
  assert.equal(cause(camera, words).text, "not_found of a device");
  assert.equal(rungWord("connect", true), "Opened");
  assert.equal(rungWord("picture", true), rungWord("picture", false));
  assert.deepEqual(streamFacts({ codec: "raw", profile: "YUYV", width: 640, height: 480, fps: 15, kbps: null, loss_percent: null }), ["Raw YUYV", "640 × 480", "15 fps"]);
  assert.deepEqual([2_400, 221_184].map(bitRate), ["2400 kbit/s", "221 Mbit/s"]);
});
