// Shows every camera and follows what happens. All text that comes from outside is set as text, never
// as markup: a camera's name may hold anything.

const BARS = 50;
const WORST = { down: 0, degraded: 1, unknown: 2, up: 3, paused: 4 };
const WORD = { up: "Up", degraded: "Degraded", down: "Down", unknown: "Unknown", paused: "Paused" };
const SILENT_MS = 45_000; // a heartbeat of the event stream (30 s) and a half
const AT_ONCE = 6; // more changed cameras than this are asked for in one call
const FETCH_MS = 15_000;

const $ = (id) => document.getElementById(id);
const cameras = new Map(); // id → what /api/streams/{id} says
const tiles = new Map(); // id → { root, … }
let order = []; // ids as configured
let host = null;
let ladder = {}; // verdict → its row
let skew = 0; // the box's clock minus ours, ms
let fresh = null; // when we last knew that all is current, our clock

// --- words ---------------------------------------------------------------------------------------

const now = () => Date.now() + skew;

function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  const days = Math.floor(s / 86400);
  return `${days} ${days === 1 ? "day" : "days"} ${Math.floor((s % 86400) / 3600)} h`;
}

const clockTime = (t) => new Date(t).toLocaleTimeString();
const exact = (t) => new Date(t).toLocaleString();
const millis = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
const title = (verdict) => ladder[verdict]?.title ?? verdict;

/** A text with its own direction of writing, so that a name cannot turn the words around it. */
function isolated(text) {
  const element = document.createElement("bdi");
  element.textContent = text;
  return element;
}

/** Sets a text in which `words` between backticks are the configuration's. */
function setRich(element, text) {
  if (element.dataset.text === text) return;
  element.dataset.text = text;
  element.replaceChildren(...text.split("`").map((part, i) => {
    if (i % 2 === 0) return part;
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  }).filter((part) => part !== ""));
}

/** Why the camera is what it is, as { text, advice, since }. */
function cause(camera) {
  const since = camera.incident?.from ?? camera.since;
  if (camera.state === "paused") return { text: "Not checked: paused in the configuration", since };
  if (!camera.verdict) return { text: "Not checked yet", since };
  const good = camera.severity === "ok";
  if (camera.state === "down" || camera.state === "degraded") {
    const row = good && camera.incident ? ladder[camera.incident.verdict] : camera;
    return { text: row?.title ?? camera.title, advice: row?.advice ?? camera.advice, since };
  }
  if (camera.state === "unknown") return { text: camera.title, advice: good ? "" : camera.advice, since };
  return { text: title("ok"), since };
}

/** What else a person must know of this check. */
function note(camera) {
  const notes = [];
  if (camera.state === "up" && camera.severity === "fault") {
    notes.push(`The last check failed (${camera.title}); it is being repeated.`);
  }
  if (camera.decoded === false && (camera.severity === "ok" || camera.severity === "warning")) {
    const codec = { h265: "H.265", h264: "interlaced H.264" }[camera.stream?.codec] ?? "codec not read";
    notes.push(`Picture not decoded (${codec}): black and covered are not judged.`);
  }
  return notes.join(" ");
}

function facts(camera) {
  const stream = camera.stream ?? {};
  const parts = [];
  if (camera.first_frame_ms != null) parts.push(`Picture after ${millis(camera.first_frame_ms)}`);
  if (stream.codec) parts.push({ h264: "H.264", h265: "H.265", mjpeg: "JPEG" }[stream.codec] ?? stream.codec);
  if (stream.width && stream.height) parts.push(`${stream.width} × ${stream.height}`);
  if (stream.fps != null) parts.push(`${Number(stream.fps.toFixed(1))} fps`);
  return parts.join(" · ");
}

function details(camera) {
  const rows = [];
  if (camera.message) rows.push(["Last check", camera.message]);
  if (camera.incident) rows.push(["Incident", `since ${exact(camera.incident.from)}: ${camera.incident.message}`]);
  rows.push(["Address", camera.url]);
  const rungs = camera.rungs.map((r) => `${r.rung.replaceAll("_", " ")} ${millis(r.ms)}`);
  if (rungs.length) rows.push(["Reached", rungs.join(", ")]);
  const { profile, kbps, loss_percent: loss } = camera.stream ?? {};
  if (profile) rows.push(["Profile", profile]);
  if (kbps != null) rows.push(["Rate", `${kbps} kbit/s`]);
  if (loss) rows.push(["Lost packets", `${loss.toFixed(1)} %`]);
  if (camera.failures) rows.push(["Failed in a row", String(camera.failures)]);
  rows.push(["Checked", `every ${camera.heartbeat_seconds} s${camera.next_check ? `, next at ${clockTime(camera.next_check)}` : ""}`]);
  return rows;
}

// --- one tile ------------------------------------------------------------------------------------

function makeTile() {
  const root = $("tile").content.cloneNode(true).firstElementChild;
  const part = (selector) => root.querySelector(selector);
  const tile = {
    root, img: part(".picture"), placeholder: part(".placeholder"), why: part(".why"), age: part(".age"),
    name: part(".name"), icon: part(".badge use"), word: part(".word"), title: part(".title"),
    since: part(".since"), advice: part(".advice"), note: part(".note"), facts: part(".facts"),
    bars: part(".bars"), details: part("dl"), checked: part(".checked"), barsOf: "",
  };
  tile.img.addEventListener("error", () => {
    tile.img.hidden = true;
    tile.placeholder.hidden = false;
    tile.why.textContent = "The picture could not be loaded";
    delete tile.img.dataset.etag; // the next change tries again
  });
  return tile;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showPicture(tile, camera, why) {
  const picture = camera.thumbnail;
  const live = camera.state === "up" || camera.state === "degraded";
  tile.root.dataset.live = live;
  if (picture && tile.img.dataset.etag !== picture.etag) {
    tile.img.dataset.etag = picture.etag;
    tile.img.src = `api/streams/${encodeURIComponent(camera.id)}/thumbnail?v=${picture.etag}`;
    tile.img.hidden = false;
  }
  const shown = Boolean(picture) && !tile.img.hidden;
  tile.img.hidden = !shown;
  tile.placeholder.hidden = shown;
  tile.img.alt = picture ? `${camera.name}, ${exact(picture.at)}` : "";
  if (!picture) setText(tile.why, `No picture: ${why.charAt(0).toLowerCase()}${why.slice(1)}`);
  if (!picture && live) setText(tile.why, camera.decoded === false ? "No picture: it is not decoded" : "No picture yet");
}

function showBars(tile, camera) {
  const last = camera.recent.slice(-BARS);
  const key = last.map((r) => r.at + r.verdict).join();
  if (key === tile.barsOf && tile.bars.childElementCount) return;
  tile.barsOf = key;
  const slots = withGaps(last, camera.heartbeat_seconds).slice(-BARS);
  while (slots.length < BARS) slots.unshift(null);
  tile.bars.replaceChildren(...slots.map(bar));
  const bad = last.filter((r) => r.severity === "fault").length;
  tile.bars.setAttribute("aria-label", `Last ${last.length} checks, oldest first: ${bad} failed`);
}

/** Puts an empty slot where the box was not watching for a while. */
function withGaps(checks, heartbeat) {
  const gap = Math.max(5 * heartbeat, 900) * 1000;
  return checks.flatMap((check, i) => {
    const silent = i > 0 && Date.parse(check.at) - Date.parse(checks[i - 1].at) > gap;
    return silent ? [null, check] : [check];
  });
}

function bar(check) {
  const item = document.createElement("li");
  const mark = document.createElement("span");
  if (check) {
    const text = `${exact(check.at)}: ${title(check.verdict)}, ${millis(check.ms)}`;
    mark.dataset.severity = check.severity;
    mark.title = text;
    mark.setAttribute("role", "img");
    mark.setAttribute("aria-label", text);
  } else {
    mark.title = "Not watched";
    item.setAttribute("aria-hidden", "true");
  }
  item.append(mark);
  return item;
}

function showDetails(tile, camera) {
  tile.details.replaceChildren(...details(camera).flatMap(([term, text]) => {
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = term;
    setRich(dd, text);
    return [dt, dd];
  }));
}

function showTile(camera) {
  let tile = tiles.get(camera.id);
  if (!tile) tiles.set(camera.id, (tile = makeTile()));
  const { text, advice } = cause(camera);
  tile.root.dataset.state = camera.state;
  setText(tile.name, camera.name);
  tile.name.title = camera.name;
  tile.icon.setAttribute("href", `#i-${camera.state}`);
  setText(tile.word, WORD[camera.state] ?? camera.state);
  setText(tile.title, text);
  setRich(tile.advice, advice ?? "");
  setText(tile.note, note(camera));
  setText(tile.facts, facts(camera));
  showPicture(tile, camera, text);
  showBars(tile, camera);
  showDetails(tile, camera);
  showTimes(camera);
}

/** The texts that grow old by themselves. */
function showTimes(camera) {
  const tile = tiles.get(camera.id);
  const { since } = cause(camera);
  setText(tile.since, camera.verdict || camera.state === "paused" ? `for ${span(now() - Date.parse(since))}` : "");
  tile.since.dateTime = since;
  tile.since.title = `since ${exact(since)}`;
  setText(tile.checked, camera.checked_at ? `checked ${clockTime(camera.checked_at)}` : "");
  if (camera.checked_at) tile.checked.title = exact(camera.checked_at);
  const picture = camera.thumbnail;
  const live = tile.root.dataset.live === "true";
  tile.age.hidden = live || !picture;
  if (picture) setText(tile.age, `last good picture, ${span(now() - Date.parse(picture.at))} ago`);
}

// --- the whole page ------------------------------------------------------------------------------

const sorted = () => order
  .map((id) => cameras.get(id))
  .filter(Boolean)
  .map((camera, place) => ({ camera, place }))
  .sort((a, b) => WORST[a.camera.state] - WORST[b.camera.state] || a.place - b.place)
  .map(({ camera }) => camera);

function arrange() {
  const list = $("tiles");
  for (const [id, tile] of tiles) {
    if (!cameras.has(id)) {
      tile.root.remove();
      tiles.delete(id);
    }
  }
  const focused = document.activeElement;
  sorted().forEach((camera, i) => {
    const { root } = tiles.get(camera.id);
    if (list.children[i] !== root) list.insertBefore(root, list.children[i] ?? null);
  });
  // A tile that moved must not lose the keyboard's place.
  if (focused && focused !== document.activeElement && list.contains(focused)) focused.focus({ preventScroll: true });
  $("none").hidden = order.length > 0;
}

function showSummary() {
  const all = sorted();
  const watched = all.filter((camera) => camera.state !== "paused");
  const count = (state) => all.filter((camera) => camera.state === state).length;
  const worst = all[0];
  const parts = [];
  const up = document.createElement("b");
  up.textContent = `${count("up")} of ${watched.length} up`;
  if (all.length) parts.push([up]);
  for (const state of ["down", "degraded", "unknown", "paused"]) {
    if (count(state)) parts.push([`${count(state)} ${state}`]);
  }
  if (worst?.state === "down") {
    // The one that went down last is the one to look at.
    const last = all.filter((c) => c.state === "down").sort((a, b) => Date.parse(cause(b).since) - Date.parse(cause(a).since))[0];
    const { text, since } = cause(last);
    parts.push([isolated(last.name), `: ${text.charAt(0).toLowerCase()}${text.slice(1)}, for ${span(now() - Date.parse(since))}`]);
  }
  const line = parts.flatMap((part, i) => (i ? [" · ", ...part] : part));
  $("summary").replaceChildren(...(line.length ? line : ["Nothing to watch yet"]));
  const state = !all.length || worst.state === "paused" ? "unknown" : worst.state;
  const icon = `favicon-${state}.svg`;
  if ($("icon").getAttribute("href") !== icon) $("icon").setAttribute("href", icon);
  document.title = count("down") ? `${count("down")} down – Pulsebox` : count("degraded") ? `${count("degraded")} degraded – Pulsebox` : "Pulsebox";
}

function showHost() {
  const texts = [];
  if (host && !host.network) texts.push("The box itself has no network: it cannot know how the cameras are.");
  if (host?.storage_fault) texts.push(`The history is not written to disk: ${host.storage_fault}`);
  if (host?.config_fault) texts.push(`The configuration file has a mistake, the last good one is in force: ${host.config_fault}`);
  $("host").replaceChildren(...texts.map((text) => {
    const p = document.createElement("p");
    p.className = "banner";
    setRich(p, text);
    return p;
  }));
}

function tellChange(before, camera) {
  if (!before || before.state === camera.state) return;
  const { text } = cause(camera);
  $("told").textContent = `${camera.name}: ${WORD[camera.state]}. ${text}.`;
}

function take(camera) {
  tellChange(cameras.get(camera.id), camera);
  cameras.set(camera.id, camera);
  showTile(camera);
}

// --- what comes from the box ---------------------------------------------------------------------

async function ask(path) {
  const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(FETCH_MS) });
  const date = Date.parse(response.headers.get("date") ?? "");
  // The header has whole seconds; less than three of difference is the way here.
  if (!Number.isNaN(date)) skew = Math.abs(date - Date.now()) < 3000 ? 0 : date - Date.now();
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

let pending = new Set();
let everything = false;
let timer = null;
let busy = false;

/**
 * Asks for one camera (or all, without an id) soon; calls in between are one. A page in the background follows
 * only what changes its title and icon, and asks for all when it is looked at again.
 */
function want(id, changesState = true) {
  if (document.hidden && !changesState) return;
  if (id) pending.add(id);
  else everything = true;
  if (!timer && !busy) timer = setTimeout(refresh, document.hidden ? 1000 : 150);
}

async function refresh() {
  timer = null;
  if (busy) return;
  busy = true;
  const ids = [...pending];
  const all = everything || ids.length > AT_ONCE || ids.some((id) => !cameras.has(id));
  pending = new Set();
  everything = false;
  let wait = 150;
  try {
    if (all) await refreshAll();
    else for (const camera of await Promise.all(ids.map((id) => ask(`api/streams/${encodeURIComponent(id)}`)))) if (camera) take(camera);
    arrange();
    showSummary();
  } catch {
    everything = true;
    wait = 3000;
  }
  busy = false;
  if (pending.size || everything) timer = setTimeout(refresh, wait);
}

async function refreshAll() {
  if (!Object.keys(ladder).length) ladder = Object.fromEntries((await ask("api/ladder")).map((row) => [row.name, row]));
  const status = await ask("api/status");
  order = status.cameras.map((camera) => camera.id);
  for (const id of cameras.keys()) if (!order.includes(id)) cameras.delete(id);
  status.cameras.forEach(take);
  host = status.host;
  showHost();
}

let source = null;
let heard = 0;

function follow() {
  source?.close();
  heard = Date.now();
  source = new EventSource("api/events");
  const on = (type, act) => source.addEventListener(type, (event) => {
    alive();
    act(JSON.parse(event.data));
  });
  source.addEventListener("open", () => {
    alive();
    want(); // whatever happened between the last look and this stream
  });
  source.addEventListener("error", lose);
  on("check", ({ camera }) => want(camera, false));
  on("state", ({ camera }) => want(camera));
  on("incident", ({ camera }) => want(camera));
  on("cameras", () => want());
  on("resync", () => want());
  on("host", (data) => { host = data; showHost(); });
  on("heartbeat", () => {});
}

function alive() {
  heard = fresh = Date.now();
  $("lost").hidden = true;
  document.body.classList.remove("old");
}

function lose() {
  document.body.classList.add("old");
  const text = fresh
    ? `Connection to Pulsebox lost: showing old data since ${clockTime(fresh)}. Trying again …`
    : "Pulsebox does not answer. Trying again …";
  setText($("lost"), text);
  $("lost").hidden = false;
}

setInterval(() => {
  // A box that lost its power closes no connection: silence tells. A refused stream is not retried by the browser.
  if (Date.now() - heard > SILENT_MS || source.readyState === EventSource.CLOSED) {
    lose();
    follow();
  }
  if (document.hidden) return;
  cameras.forEach(showTimes);
  if (fresh) showSummary();
}, 5000);

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) want();
});

want();
follow();
