// How all is in one line, one icon and one title; and what a person must know of the box itself.
import { computed, effect } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { ApplianceBanners } from "./box/Banners";
import { Button, Notice, Rich, Since } from "./components";
import { route, to } from "./router";
import { isAdmin, session } from "./session";
import { cameras, host, link, now, words } from "./store";
import type { BrokerStatus, CameraView, State } from "./types";
import { boxNow, cause, clockTime, lowerFirst, sentence, span, WORST } from "./words";

/** The cameras, worst first, else in the configuration's order. */
export const worstFirst = computed(() =>
  (cameras.value ?? [])
    .map((camera, place) => ({ camera, place }))
    .sort((a, b) => WORST[a.camera.state] - WORST[b.camera.state] || a.place - b.place)
    .map(({ camera }) => camera));

const count = (all: readonly CameraView[], state: State) => all.filter((camera) => camera.state === state).length;

/** `11 of 13 up`, `1 down`, and the camera that went down last with its cause. */
export const summary = computed(() => {
  const all = worstFirst.value;
  const watched = all.length - count(all, "paused");
  const counts = all.length ? [`${count(all, "up")} of ${watched} up`] : [];
  for (const state of ["down", "degraded", "unknown", "paused"] as const) {
    if (count(all, state)) counts.push(`${count(all, state)} ${state}`);
  }
  const down = all.filter((camera) => camera.state === "down").map((camera) => ({ camera, ...cause(camera, words) }));
  const last = down.sort((a, b) => Date.parse(b.since) - Date.parse(a.since))[0];
  return { counts, worst: last ? { name: last.camera.name, text: lowerFirst(last.text), since: last.since } : null };
});

export function Summary() {
  const { counts, worst } = summary.value;
  return (
    <p class="summary">
      {counts.length === 0 ? "Nothing to watch yet" : counts.map((text, i) => <span key={text}>{i > 0 && " · "}{i === 0 ? <b>{text}</b> : text}</span>)}
      {worst && <span> · <bdi>{worst.name}</bdi>: {worst.text} for {span(now.value - Date.parse(worst.since))}</span>}
    </p>
  );
}

/** The tab's icon and title follow the worst state. Returns what ends it. */
export function followWorst(): () => void {
  return effect(() => {
    const all = worstFirst.value;
    const worst = all[0]?.state;
    const state = worst === undefined || worst === "paused" || link.value.state === "lost" ? "unknown" : worst;
    const icon = document.getElementById("icon");
    const href = `favicon-${state}.svg`;
    if (icon && icon.getAttribute("href") !== href) icon.setAttribute("href", href);
    const name = session.value?.name ? `Pulsebox ${session.value.name}` : "Pulsebox";
    const [down, degraded] = [count(all, "down"), count(all, "degraded")];
    document.title = down ? `${down} down – ${name}` : degraded ? `${degraded} degraded – ${name}` : name;
  });
}

export function Banners() {
  const box = host.value;
  const lost = link.value.state === "lost" ? link.value : null;
  document.body.classList.toggle("old", lost !== null);
  return (
    <section class="banners" aria-label="Notices">
      <div role="alert">
        {lost && (
          <Notice mood="warning">
            {lost.since
              ? `Connection to Pulsebox lost: showing data of ${clockTime(lost.since)}. Trying again …`
              : "Pulsebox does not answer. Trying again …"}
          </Notice>
        )}
      </div>
      <NewPage />
      {box && !box.network && <Notice mood="warning">The box itself has no network: it cannot know how the cameras on the network are.</Notice>}
      {box?.identify_until && <Shown until={box.identify_until} />}
      {box?.broker?.state === "lost" && !isAtMqtt() && <BrokerLost broker={box.broker} />}
      {box?.appliance && <ApplianceBanners appliance={box.appliance} />}
      {box?.storage_fault && box.appliance?.data?.state !== "memory" && <Notice mood="warning">The history is not written to disk: <Rich text={box.storage_fault} /></Notice>}
      {box?.history_repaired && <Repaired what={box.history_repaired} />}
      {box?.config_fault && <Notice mood="warning">The configuration file has a mistake, the last good one is in force: <Rich text={box.config_fault} /></Notice>}
      {box?.clock === "untrusted" && (box.uptime_seconds ?? 0) > 0 && <Notice mood="info">The box has not set its clock yet: times may be wrong until it has.</Notice>}
    </section>
  );
}

/** Who has read it on this browser. */
const READ = "pulsebox history_repaired";

/** Told until the box's next start; to who has read it, once. */
function Repaired({ what }: { what: string }) {
  const [read, setRead] = useState(() => localStorage.getItem(READ));
  if (read === what) return null;
  const close = () => {
    localStorage.setItem(READ, what);
    setRead(what);
  };
  return <Notice mood="warning"><Rich text={sentence(what)} /> <Button onClick={close}>Understood</Button></Notice>;
}

/** The version that this page came with. */
let own: string | null = null;

/** An update brings another page; the one that is shown may ask for what is no more. */
function NewPage() {
  const version = session.value?.version ?? null;
  own ??= version;
  if (version === null || version === own) return null;
  return <Notice mood="info">Pulsebox {version} runs now. <Button onClick={() => location.reload()}>Show its page</Button></Notice>;
}

/** The MQTT settings tell it themselves, and more. */
const isAtMqtt = () => route.value.page === "settings" && route.value.section === "mqtt";

function BrokerLost({ broker }: { broker: BrokerStatus }) {
  // Seconds tell nobody anything, and "for 0 s" least of all.
  const isOld = broker.since != null && now.value - Date.parse(broker.since) >= 60_000;
  return (
    <Notice mood="warning">
      No connection to the MQTT broker{isOld && broker.since && <> <Since at={broker.since} /></>}{broker.title && `: ${lowerFirst(broker.title)}`}. Home
      Assistant and others hear nothing meanwhile.{isAdmin() && <> <a href={to.settings("mqtt")}>What to do</a></>}
    </Notice>
  );
}

/** Somebody wants to know which box this is: for as long as the box says. */
function Shown({ until }: { until: string }) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    setOver(false);
    const timer = setTimeout(() => setOver(true), Math.max(0, Date.parse(until) - boxNow()));
    return () => clearTimeout(timer);
  }, [until]);
  if (over || Date.parse(until) <= boxNow()) return null;
  return <div role="status"><Notice mood="good"><strong>This is the box.</strong> Somebody asked it to show itself.</Notice></div>;
}
