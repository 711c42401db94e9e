// Times, sizes and states in words.
import { skew } from "./api";
import type { CameraView, Recent, Rung, State, StreamInfo } from "./types";

export const STATE_WORD: Record<State, string> = { up: "Up", degraded: "Degraded", down: "Down", unknown: "Unknown", paused: "Paused" };

/** The states, worst first. */
export const WORST: Record<State, number> = { down: 0, degraded: 1, unknown: 2, up: 3, paused: 4 };

const RUNG_WORD: Record<Rung, string> = {
  resolve: "Name found",
  connect: "Connected",
  encrypt: "Connection encrypted",
  describe: "Camera agrees",
  first_packet: "First packet",
  first_key_frame: "First key frame",
  picture: "Picture",
};

/** The same of a camera that is plugged in at the box. */
const LOCAL_RUNG_WORD: Partial<Record<Rung, string>> = {
  connect: "Opened",
  describe: "Format agreed",
  first_packet: "First data",
  first_key_frame: "First whole picture",
};

export const rungWord = (rung: Rung, local: boolean) => (local && LOCAL_RUNG_WORD[rung]) || RUNG_WORD[rung];

/** Whether a URL means a camera that is plugged in at the box. */
export const isLocal = (url: string) => /^\s*v4l2:/i.test(url);

/** Now by the box's clock, ms. */
export const boxNow = () => Date.now() + skew;

/** `47 s`, `3 min`, `2 h 5 min`, `3 days 4 h`. */
export function span(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  const days = Math.floor(s / 86400);
  return `${days} ${days === 1 ? "day" : "days"} ${Math.floor((s % 86400) / 3600)} h`;
}

export const exact = (at: string | number) => new Date(at).toLocaleString();
export const clockTime = (at: string | number) => new Date(at).toLocaleTimeString();
export const millis = (ms: number) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** `1.4 GB`; units of a thousand. */
export function bytes(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) {
    n /= 1000;
    i += 1;
  }
  return `${n < 10 && i > 0 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

export function codecName(codec: string): string {
  return { h264: "H.264", h265: "H.265", mjpeg: "JPEG", jpeg: "JPEG", raw: "Raw" }[codec] ?? codec;
}

/** `2400 kbit/s`, `221 Mbit/s`. */
export const bitRate = (kbps: number) => (kbps < 20_000 ? `${Math.round(kbps)} kbit/s` : `${Math.round(kbps / 1000)} Mbit/s`);

/** `H.264 · 1280 × 720 · 25 fps`, as far as it is known; of raw pictures, what kind. */
export function streamFacts(stream: StreamInfo | null): string[] {
  if (!stream) return [];
  const parts: string[] = [];
  if (stream.codec === "raw" && stream.profile) parts.push(`Raw ${stream.profile}`);
  else if (stream.codec) parts.push(codecName(stream.codec));
  if (stream.width && stream.height) parts.push(`${stream.width} × ${stream.height}`);
  if (stream.fps != null) parts.push(`${Number(stream.fps.toFixed(1))} fps`);
  return parts;
}

export const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);

/** A message without the title and the advice that are shown beside it: what only this check found. */
export function particulars(message: string, title: string | null | undefined, advice: string | null | undefined): string {
  const rest = withoutAdvice(message, advice);
  if (!title || !rest.startsWith(`${title}: `)) return rest === title ? "" : rest;
  const found = rest.slice(title.length + 2);
  return found.charAt(0).toUpperCase() + found.slice(1);
}

/** Words for a verdict, by the ladder; others for a camera at the box. */
export type Words = (verdict: string, local?: boolean) => { title: string; advice: string };

/** A message's particulars, where it ends with the advice that is shown beside it. */
export function withoutAdvice(message: string, advice: string | null | undefined): string {
  return advice && message.endsWith(advice) ? message.slice(0, -advice.length).trim() : message;
}

/** Why a camera is what it is, in words, and since when. */
export function cause(camera: CameraView, words: Words): { text: string; advice: string; since: string } {
  const since = camera.incident?.from ?? camera.since;
  if (camera.state === "paused") {
    return { text: camera.paused_until ? `Not checked: paused until ${exact(camera.paused_until)}` : "Not checked: paused", advice: "", since };
  }
  if (!camera.verdict) return { text: "Not checked yet", advice: "", since };
  const good = camera.severity === "ok";
  const last = { title: camera.title ?? camera.verdict, advice: camera.advice ?? "" };
  if (camera.state === "down" || camera.state === "degraded") {
    const row = good && camera.incident ? words(camera.incident.verdict, isLocal(camera.url)) : last;
    return { text: row.title, advice: row.advice, since };
  }
  if (camera.state === "unknown") return { text: last.title, advice: good ? "" : last.advice, since };
  return { text: words("ok").title, advice: "", since };
}

/** Whether "for 5 min" belongs to what `cause` says; a pause that says its end needs none. */
export function dated(camera: CameraView): boolean {
  return camera.state === "paused" ? !camera.paused_until : camera.verdict !== null;
}

/** What else a person must know of the last check; empty where there is nothing. */
export function remark(camera: CameraView): string {
  const notes: string[] = [];
  if (camera.state === "up" && camera.severity === "fault") notes.push(`The last check failed (${camera.title}); it is being repeated.`);
  if (camera.decoded === false && (camera.severity === "ok" || camera.severity === "warning")) {
    const codec = { h265: "H.265", h264: "interlaced H.264" }[camera.stream?.codec ?? ""] ?? "codec not read";
    notes.push(`Picture not decoded (${codec}): black and covered are not judged.`);
  }
  return notes.join(" ");
}

/** Checks further apart than this many heartbeats and a long check have a gap between them. */
const GAP_HEARTBEATS = 2;
const LONG_CHECK_S = 20;
/** After a refused password the box waits on purpose, up to this long: watched, only seldom. */
const AUTH_WAIT_S = 15 * 60;

/** The checks, and null wherever nobody was watching between two of them. */
export function withGaps(checks: readonly Recent[], heartbeatSeconds: number): (Recent | null)[] {
  const usual = (GAP_HEARTBEATS * heartbeatSeconds + LONG_CHECK_S) * 1000;
  const afterRefusal = Math.max(usual, (AUTH_WAIT_S + LONG_CHECK_S) * 1000);
  return checks.flatMap((check, i) => {
    const before = checks[i - 1];
    const gap = before?.verdict === "auth" ? afterRefusal : usual;
    const silent = before && Date.parse(check.at) - Date.parse(before.at) > gap;
    return silent ? [null, check] : [check];
  });
}

/** A share of time. Never rounded up to 100: a minute down in a year is seen. */
export function percent(share: number): string {
  if (share >= 100) return "100 %";
  const digits = share > 99.9 ? 3 : share > 99 ? 2 : 1;
  const cut = Math.floor(share * 10 ** digits) / 10 ** digits;
  return `${cut.toFixed(digits)} %`;
}

/** With a capital and a full stop. */
export function sentence(text: string): string {
  if (text === "") return "";
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
}
