// Every camera at a glance, worst first: picture, state, cause, and what the last checks said.
import { computed, signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { Bars, Button, Icon, LinkButton, Rich, Since, StateBadge } from "../components";
import { LiveView } from "../live/LiveView";
import { to } from "../router";
import { session } from "../session";
import { summary, Summary, worstFirst } from "../status";
import { cameras, words } from "../store";
import type { CameraView } from "../types";
import { cause, dated, millis, remark, streamFacts } from "../words";

type Show = "all" | "problems" | "paused";

const SHOWN: { value: Show; text: string }[] = [
  { value: "all", text: "All" },
  { value: "problems", text: "Problems" },
  { value: "paused", text: "Paused" },
];

const search = signal("");
const show = signal<Show>("all");
const byName = signal(false);

const shown = computed(() => {
  const text = search.value.trim().toLowerCase();
  const fits = (camera: CameraView) =>
    (show.value === "all"
      || (show.value === "paused" ? camera.state === "paused" : camera.state !== "up" && camera.state !== "paused"))
    && (text === "" || camera.name.toLowerCase().includes(text) || camera.id.includes(text) || camera.url.toLowerCase().includes(text));
  const all = worstFirst.value.filter(fits);
  return byName.value ? all.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true })) : all;
});

export function Wall() {
  if (cameras.value === null) return <p class="soft" role="status">Loading …</p>;
  if (cameras.value.length === 0) return <Empty />;
  return (
    <div class="wall">
      <h1 class="unseen">Cameras</h1>
      <Summary />
      <Announced />
      <Tools />
      {shown.value.length === 0
        ? <p class="nothing soft">No camera fits. <Button look="quiet" onClick={() => { search.value = ""; show.value = "all"; }}>Show all</Button></p>
        : <ul class="tiles" aria-label="Cameras">{shown.value.map((camera) => <Tile key={camera.id} camera={camera} />)}</ul>}
    </div>
  );
}

/** Told to screen readers when it changes; without times, which always do. */
function Announced() {
  const { counts, worst } = summary.value;
  return <p class="unseen" aria-live="polite">{counts.join(", ")}{worst && `. ${worst.name}: ${worst.text}`}</p>;
}

function Tools() {
  return (
    <div class="tools" role="search">
      <label class="search">
        <span class="unseen">Search cameras</span>
        <Icon name="search" />
        <input class="input" type="search" placeholder="Search" value={search.value} onInput={(event) => (search.value = event.currentTarget.value)} />
      </label>
      <div class="choices" role="group" aria-label="Show">
        {SHOWN.map(({ value, text }) => (
          <button key={value} type="button" class="button" aria-pressed={show.value === value} onClick={() => (show.value = value)}>{text}</button>
        ))}
      </div>
      <label class="sort">
        <span class="unseen">Sort</span>
        <select class="input" onChange={(event) => (byName.value = event.currentTarget.value === "name")}>
          <option value="worst" selected={!byName.value}>Worst first</option>
          <option value="name" selected={byName.value}>By name</option>
        </select>
      </label>
    </div>
  );
}

function Empty() {
  return (
    <section class="empty">
      <Icon name="camera" size={64} />
      <h1>No cameras yet</h1>
      <p>Pulsebox watches what you add: it looks at each camera every few seconds and says what is wrong.</p>
      {session.value?.scope === "admin" && <LinkButton look="main" icon="add" href={to.add}>Add your first camera</LinkButton>}
    </section>
  );
}

/** Drawn anew only where its camera changed. */
function Tile({ camera }: { camera: CameraView }) {
  return useMemo(() => <Drawn camera={camera} />, [camera]);
}

function Drawn({ camera }: { camera: CameraView }) {
  const { text, advice, since } = cause(camera, words);
  const note = remark(camera);
  const facts = streamFacts(camera.stream);
  const latency = camera.first_packet_ms;
  return (
    <li class="tile" data-state={camera.state}>
      <LiveView camera={camera} compact />
      <div class="body">
        <div class="title">
          <h2><a href={to.camera(camera.id)} title={camera.name}><bdi>{camera.name}</bdi></a></h2>
          <StateBadge state={camera.state} />
        </div>
        <p class="cause"><span>{text}</span> {dated(camera) && <span class="since"><Since at={since} /></span>}</p>
        {advice && <p class="soft small"><Rich text={advice} /></p>}
        {note && <p class="soft small">{note}</p>}
        <p class="facts">
          {latency != null && <span title="Time to the first packet of the last check">{millis(latency)}</span>}
          {latency != null && facts.length > 0 && " · "}{facts.join(" · ")}
        </p>
        <Bars camera={camera} />
      </div>
    </li>
  );
}
