// What the box tells, kept current: every camera, the box itself, the ladder's words. Events say what changed;
// the change itself is asked for, many at once where many come. Lost connections are taken up again by
// themselves (3 s, doubling to 30 s), and the page says from when its data is.
import { batch, signal } from "@preact/signals";
import { get, part } from "./api";
import { refreshSession, session } from "./session";
import type { BoxStatus, CameraView, LadderRow } from "./types";
import { boxNow, type Words } from "./words";

/** In the configuration's order; null until the box has told. A camera that did not change stays the same object. */
export const cameras = signal<readonly CameraView[] | null>(null);
export const host = signal<BoxStatus | null>(null);
/** Verdict → its row. */
export const ladder = signal<Readonly<Record<string, LadderRow>>>({});
/** The box's clock, turned every 5 s while the page is looked at. */
export const now = signal(boxNow());

export type Link = { state: "opening" } | { state: "live" } | { state: "lost"; since: number | null };
/** Whether what is shown is current; `since` is when it last was (our clock, ms), null if never. */
export const link = signal<Link>({ state: "opening" });

export const camera = (id: string) => cameras.value?.find((one) => one.id === id) ?? null;
export const words: Words = (verdict, local) => {
  const row = ladder.value[verdict];
  return (local ? row?.local : null) ?? row ?? { title: verdict, advice: "" };
};

const SILENT_MS = 45_000; // a heartbeat of the event stream (30 s) and a half
const AT_ONCE = 6; // more changed cameras than this are asked for in one call
const GATHER_MS = 150;
const RETRY_MIN_MS = 3_000;
const RETRY_MAX_MS = 30_000;

// --- asking for what changed ---------------------------------------------------------------------

let pending = new Set<string>();
let everything = false;
let timer: number | undefined;
let busy = false;

/** Asks for one camera (or all, without an id) soon; calls in between are one. */
export function want(id?: string): void {
  if (id) pending.add(id);
  else everything = true;
  if (timer === undefined && !busy) timer = window.setTimeout(refresh, document.hidden ? 1000 : GATHER_MS);
}

/** Takes a camera as an answer gave it, so that a change is seen at once. */
export function take(changed: CameraView): void {
  const all = cameras.value ?? [];
  cameras.value = all.some((one) => one.id === changed.id)
    ? all.map((one) => (one.id === changed.id ? changed : one))
    : [...all, changed];
}

async function refresh(): Promise<void> {
  timer = undefined;
  if (busy || !session.value?.signed_in) return;
  busy = true;
  const ids = [...pending];
  const known = new Set(cameras.value?.map((one) => one.id));
  const all = everything || cameras.value === null || ids.length > AT_ONCE || ids.some((id) => !known.has(id));
  pending = new Set();
  everything = false;
  let wait = GATHER_MS;
  try {
    if (all) await refreshAll();
    else {
      const changed = await Promise.all(ids.map((id) => get<CameraView>(`api/streams/${part(id)}`).catch(gone)));
      batch(() => changed.forEach((one) => one && take(one)));
    }
  } catch {
    everything = true;
    wait = RETRY_MIN_MS;
  }
  busy = false;
  if (pending.size > 0 || everything) timer = window.setTimeout(refresh, wait);
}

/** A camera that is not there any more is no failure: the list says so in a moment. */
function gone(error: unknown): null {
  if ((error as { status?: number }).status === 404) {
    everything = true;
    return null;
  }
  throw error;
}

async function refreshAll(): Promise<void> {
  if (Object.keys(ladder.value).length === 0) {
    const rows = await get<LadderRow[]>("api/ladder");
    ladder.value = Object.fromEntries(rows.map((row) => [row.name, row]));
  }
  const status = await get<{ cameras: CameraView[]; host: BoxStatus }>("api/status");
  const before = new Map((cameras.value ?? []).map((one) => [one.id, one]));
  batch(() => {
    cameras.value = status.cameras.map((one) => {
      const old = before.get(one.id);
      return old && same(old, one) ? old : one;
    });
    host.value = status.host;
    now.value = boxNow();
  });
}

function same(a: CameraView, b: CameraView): boolean {
  const age = (one: CameraView) => JSON.stringify({ ...one, thumbnail: one.thumbnail?.etag });
  return age(a) === age(b);
}

// --- following events ----------------------------------------------------------------------------

let source: EventSource | null = null;
let heard = 0;
let retryMs = RETRY_MIN_MS;
let retry: number | undefined;

function follow(): void {
  clearTimeout(retry);
  retry = undefined;
  source?.close();
  heard = Date.now();
  const mine = new EventSource("api/events?types=check,state,incident,cameras,host");
  source = mine;
  const on = (type: string, act: (data: { camera: string }) => void) =>
    mine.addEventListener(type, (event) => {
      alive();
      const { data } = event as MessageEvent<string>;
      act(data ? JSON.parse(data) : {});
    });
  mine.addEventListener("open", () => {
    alive();
    want(); // whatever happened between the last look and this stream
  });
  mine.addEventListener("error", () => {
    if (source === mine) lose();
  });
  // A page in the background follows only what changes its title and icon.
  on("check", ({ camera }) => document.hidden || want(camera));
  on("state", ({ camera }) => want(camera));
  on("incident", ({ camera }) => want(camera));
  on("cameras", () => want());
  on("resync", () => want());
  on("host", (data) => {
    host.value = data as unknown as BoxStatus;
  });
  on("heartbeat", () => {});
}

function alive(): void {
  heard = Date.now();
  retryMs = RETRY_MIN_MS;
  if (link.value.state !== "live") link.value = { state: "live" };
}

/** Says so, and tries again later, each time later than before. */
function lose(): void {
  source?.close();
  source = null;
  if (link.value.state === "live") link.value = { state: "lost", since: heard };
  else if (link.value.state === "opening") link.value = { state: "lost", since: null };
  if (retry !== undefined) return;
  retry = window.setTimeout(() => {
    retry = undefined;
    // Whether we are still signed in only an ordinary call tells; an event stream hides its status.
    refreshSession().then(() => session.value?.signed_in && follow(), lose);
  }, retryMs);
  retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
}

let ticking: number | undefined;

/** Starts to follow; called once somebody is signed in. */
export function start(): void {
  want();
  follow();
  ticking ??= window.setInterval(() => {
    // A box that lost its power closes no connection: silence tells.
    if (source && Date.now() - heard > SILENT_MS) lose();
    if (!document.hidden) now.value = boxNow();
  }, 5000);
}

/** Stops, and forgets what only somebody signed in may see. */
export function stop(): void {
  clearTimeout(retry);
  clearInterval(ticking);
  retry = ticking = undefined;
  source?.close();
  source = null;
  batch(() => {
    cameras.value = null;
    host.value = null;
    link.value = { state: "opening" };
  });
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && session.value?.signed_in) want();
});
