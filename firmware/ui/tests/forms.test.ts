// What the forms do with what people type, without a browser. Run by `npm test`.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./words.test";
import { changedCamera, newCamera, tryRequest, type CameraForm } from "../src/forms/cameraForm";
import type { Credentials } from "../src/forms/credentials";
import { masked, takeApart } from "../src/forms/cameraUrl";
import { nested, withChange } from "../src/forms/draft";
import { EventSplitter } from "../src/forms/eventStream";
import { childrenOf, helpOf, label, otherProblems, problemsOf, typed, withLabels, type Value } from "../src/forms/keys";
import { freeName } from "../src/forms/localCamera";
import { strength } from "../src/forms/strength";
import { counted, keyframes, strip, STRIP_MS } from "../src/leds/pattern";
import { fill, hostOf, MAKERS } from "../src/makers";
import type { LedStep, Problem, SettingKey } from "../src/types";

const key = (path: string, more: Partial<SettingKey> = {}): SettingKey => ({ path, kind: "text", default: null, required: false, about: "", ...more });
const problem = (of: string | null): Problem => ({ line: 1, column: 1, key: of, what: "", do: "" });

test("a password is understood as pasted, as the daemon understands it", () => {
  // The same cases as in camera/url.rs.
  for (const [url, password] of [
    ["rtsp://admin:p@ss@10.0.0.5:8554/live", "p@ss"],
    ["rtsp://admin:p/ss#1?@10.0.0.5:8554/live", "p/ss#1?"],
    ["rtsp://admin:100%@10.0.0.5:8554/live", "100%"],
    ["rtsp://admin:p@ss/word@10.0.0.5:8554/live", "p@ss/word"],
    ["rtsp://admin:p@ss.w/rd#?@10.0.0.5:8554/live", "p@ss.w/rd#?"],
    ["rtsp://admin:s3cr%40t@10.0.0.5:8554/live", "s3cr@t"],
  ] as const) {
    assert.deepEqual(takeApart(url), { url: "rtsp://10.0.0.5:8554/live", username: "admin", password, masked: false }, url);
  }
});

test("an at sign in a path is no password", () => {
  for (const [url, bare] of [
    ["rtsp://u:p@cam/live@home", "rtsp://cam/live@home"],
    ["rtsp://u:p@10.0.0.5/live@home.lan/x", "rtsp://10.0.0.5/live@home.lan/x"],
    ["rtsp://u:p@cam/live?mail=a@example.org", "rtsp://cam/live?mail=a@example.org"],
    ["rtsp://u:p@proxy.lan/rtsp://x:y@10.0.0.5/live", "rtsp://proxy.lan/rtsp://x:y@10.0.0.5/live"],
  ] as const) {
    assert.equal(takeApart(url).url, bare);
    assert.equal(takeApart(url).password, "p");
  }
  for (const url of ["rtsp://cam:8554/a@b", "rtsp://cam/user:x@y", "rtsp://192.168.1.20/stream1", "192.168.1.20", ""]) {
    assert.deepEqual(takeApart(url), { url, username: null, password: null, masked: false });
  }
});

test("a masked URL shows no stars and goes back as it came", () => {
  const apart = takeApart("rtsp://***:***@192.168.1.20/stream1");
  assert.deepEqual(apart, { url: "rtsp://192.168.1.20/stream1", username: null, password: null, masked: true });
  assert.equal(masked(apart.url), "rtsp://***:***@192.168.1.20/stream1");
});

test("choosing a maker keeps the host and nothing else", () => {
  assert.equal(hostOf("rtsp://admin:p@ss@192.168.1.20:8554/x"), "192.168.1.20");
  assert.equal(hostOf("cam.lan/x"), "cam.lan");
  assert.equal(hostOf("http://[fe80::1]:80/x"), "[fe80::1]");
  assert.equal(hostOf(""), "");
  const hikvision = MAKERS.find(({ id }) => id === "hikvision")!;
  assert.equal(fill(hikvision, "rtsp://10.0.0.9:88/videoMain", "main"), "rtsp://10.0.0.9/Streaming/Channels/101");
  assert.equal(fill(hikvision, "", "sub"), "rtsp://192.168.1.20/Streaming/Channels/102");
  assert.equal(fill(MAKERS.find(({ id }) => id === "esp32")!, "10.0.0.9", "sub"), null);
});

test("every maker has its own id and a path", () => {
  assert.equal(new Set(MAKERS.map(({ id }) => id)).size, MAKERS.length);
  for (const maker of MAKERS) assert.match(maker.main, /^\//);
});

/** A form as a person left it. */
function form(url: string, credentials: Credentials, changes: Record<string, Value> = {}): CameraForm {
  const nothing = () => {};
  return {
    name: " Gate ", url, subUrl: "", credentials, shown: credentials, had: credentials.are !== "typed", changed: true,
    draft: { value: (path) => changes[path], changes, changed: true, set: nothing, reset: nothing },
    setName: nothing, setUrl: nothing, splitUrl: nothing, setSubUrl: nothing, setCredentials: nothing,
  };
}

test("a new camera is sent with what is given, and its credentials apart from its URL", () => {
  const typed = form("rtsp://10.0.0.5/live", { are: "typed", username: "admin", password: "p/s" }, { "alarm.failures": 3, led: null });
  assert.deepEqual(newCamera(typed), { name: "Gate", url: "rtsp://10.0.0.5/live", username: "admin", password: "p/s", alarm: { failures: 3 } });
  assert.deepEqual(newCamera(form("rtsp://10.0.0.5/live", { are: "typed", username: "", password: "" })), { name: "Gate", url: "rtsp://10.0.0.5/live" });
});

test("of a camera that is there only what differs is sent, and kept credentials stay masked", () => {
  const saved = { name: "Gate", url: "rtsp://***:***@10.0.0.5/live", has_credentials: true };
  const kept: Credentials = { are: "kept" };
  assert.deepEqual(changedCamera(form("rtsp://10.0.0.5/live", kept, { "alarm.black": null }), saved), { alarm: { black: null } });
  assert.deepEqual(changedCamera(form("rtsp://10.0.0.5/sub", kept), saved), { url: "rtsp://***:***@10.0.0.5/sub" });
  assert.deepEqual(changedCamera(form("rtsp://10.0.0.5/live", { are: "removed" }), saved), { url: "rtsp://10.0.0.5/live", username: "", password: "" });
  assert.deepEqual(tryRequest(form("rtsp://10.0.0.5/sub", kept, { transport: "udp" }), "gate"), { id: "gate", url: "rtsp://***:***@10.0.0.5/sub", transport: "udp" });
});

test("only what differs from the box is a change, and undoing it by hand is none", () => {
  const saved = { mqtt: { port: 1883 } };
  const once = withChange({}, saved, "mqtt.port", 1884);
  assert.deepEqual(once, { "mqtt.port": 1884 });
  assert.deepEqual(withChange(once, saved, "mqtt.port", 1883), {});
  assert.deepEqual(withChange({}, saved, "mqtt.host", null), {}, "not given stays not given");
  assert.deepEqual(nested({ "alarm.failures": 3, "alarm.black": null, led: 4 }), { alarm: { failures: 3, black: null }, led: 4 });
});

test("what is typed goes as its kind, and what is no number goes as it is, for the box to refuse", () => {
  assert.equal(typed("whole", " 15 "), 15);
  assert.equal(typed("decimal", "0,5"), 0.5);
  assert.equal(typed("whole", "often"), "often");
  assert.equal(typed("text", " "), null);
  assert.equal(typed("secret", " x "), " x ");
  assert.deepEqual(typed("texts", "a.lan\n\nb.lan, c.lan"), ["a.lan", "b.lan", "c.lan"]);
});

test("a problem is told at its field, and one without a field is not lost", () => {
  const all = [problem("streams[3].alarm.failures"), problem("mediamtx[1].url"), problem(null), problem("leds.red")];
  assert.deepEqual(problemsOf(all, "alarm.failures"), [all[0]]);
  assert.deepEqual(otherProblems(all, ["streams[].alarm.failures", "mediamtx[].url"]), [all[2], all[3]]);
});

test("a group has its own keys and not those of the groups below", () => {
  const keys = ["mqtt", "mqtt.port", "mqtt.home_assistant", "mqtt.home_assistant.enabled", "mqttx", "streams[].name"].map((path) => key(path));
  assert.deepEqual(childrenOf(keys, "mqtt").map(({ path }) => path), ["mqtt.port", "mqtt.home_assistant"]);
  assert.deepEqual(childrenOf(keys, "").map(({ path }) => path), ["mqtt", "mqttx"]);
  assert.deepEqual(childrenOf(keys, "streams[]").map(({ path }) => path), ["streams[].name"]);
});

test("labels and help come from the table", () => {
  assert.equal(label("streams[].heartbeat_seconds"), "Heartbeat");
  assert.equal(label("mqtt.tls_ws_port"), "TLS WebSocket port");
  assert.equal(label("mediamtx"), "MediaMTX");
  assert.equal(helpOf(key("a", { kind: "whole", min: 5, max: 60, unit: "s", default: "15", about: "Every so often." })), "Every so often. (5 to 60 s; default 15)");
});

test("events are whole however they are cut", () => {
  const text = ": hello\n\nevent: rung\ndata: {\"a\":1}\n\nevent: result\r\ndata: x\r\ndata: y\r\n\r\n";
  const splitter = new EventSplitter();
  const events = [...text].flatMap((character) => splitter.push(character));
  assert.deepEqual(events, [{ event: "rung", data: "{\"a\":1}" }, { event: "result", data: "x\ny" }]);
});

test("strength is told in words", () => {
  assert.match(strength("short"), /5 of at least 8/);
  assert.match(strength("password1"), /Weak/);
  assert.match(strength("1234567890"), /Weak/);
  assert.match(strength("aaaaaaaaaaaa"), /Weak/);
  assert.match(strength("gate4keeper"), /Fair/);
  assert.match(strength("horse battery staple"), /Strong/);
  assert.equal(strength(""), "");
});

test("a message that names a key of the broker names its field too, and leaves hosts alone", () => {
  assert.equal(withLabels("correct mqtt.username and mqtt.password"), "correct “User name” (`mqtt.username`) and “Password” (`mqtt.password`)");
  assert.equal(withLabels("mqtt.lan:1883 refuses"), "mqtt.lan:1883 refuses");
});

test("a camera at the box is sent without what only the network has", () => {
  const typed: Credentials = { are: "typed", username: "admin", password: "x" };
  const local = form("v4l2:///dev/video0", typed, { transport: "udp", tls_insecure: true, timeout_seconds: 5 });
  assert.deepEqual(newCamera({ ...local, subUrl: "rtsp://10.0.0.5/sub" }), { name: "Gate", url: "v4l2:///dev/video0", timeout_seconds: 5 });
  assert.deepEqual(tryRequest(local, "gate"), { url: "v4l2:///dev/video0", timeout_seconds: 5 });
  const saved = { name: "Gate", url: "rtsp://***:***@10.0.0.5/live", has_credentials: true };
  assert.deepEqual(changedCamera(form("v4l2:///dev/video0", { are: "kept" }), saved), { url: "v4l2:///dev/video0" });
  assert.equal(takeApart("v4l2:///dev/v4l/by-id/usb-a:b@c-index0").url, "v4l2:///dev/v4l/by-id/usb-a:b@c-index0");
});

test("a plugged-in camera gets a name that no other has", () => {
  assert.equal(freeName("HD Webcam", []), "HD Webcam");
  assert.equal(freeName("HD Webcam", [{ id: "hd-webcam", name: "Gate" }, { id: "x", name: "hd webcam 2" }]), "HD Webcam 3");
});

test("an LED's pattern is drawn as long as it is lit", () => {
  const lit = (green: number, ms: number): LedStep => ({ green, red: 0, act: green, ms });
  assert.deepEqual(strip([lit(100, 1550), lit(0, 450)], "green"), [{ from: 0, ms: 1550, light: 1 }, { from: 2000, ms: 1550, light: 1 }]);
  assert.deepEqual(strip([lit(100, 700), lit(100, 300)], "green"), [{ from: 0, ms: STRIP_MS, light: 1 }], "solid is one piece");
  assert.deepEqual(strip([lit(100, 700)], "red"), []);
  assert.deepEqual(strip([lit(100, 3900), lit(0, 50)], "act").at(-1), { from: 3950, ms: 50, light: 1 }, "cut at the strip's end");
  assert.deepEqual(strip([lit(100, 0)], "act"), [], "a pattern that takes no time does not hang the page");
});

test("a counting row blinks as often as it counts, and pauses once", () => {
  const two: LedStep[] = [[100, 250], [0, 350], [100, 250], [0, 1800]].map(([red = 0, ms = 0]) => ({ green: 0, red, act: red, ms }));
  assert.deepEqual(counted(two, 1).map(({ ms }) => ms), [250, 1800]);
  assert.deepEqual(counted(two, 3).map(({ ms }) => ms), [250, 350, 250, 350, 250, 1800]);
  assert.deepEqual(counted(two, 2), two);
});

test("a lamp jumps from light to dark at the time of its pattern", () => {
  const frames = keyframes([{ green: 100, red: 0, act: 0, ms: 1500 }, { green: 0, red: 0, act: 0, ms: 500 }], "green");
  assert.deepEqual(frames.map(({ offset, opacity }) => [offset, opacity]), [[0, 1], [0.75, 0], [1, 0]]);
  assert.ok(frames.slice(0, -1).every(({ easing }) => easing === "step-end"));
});
