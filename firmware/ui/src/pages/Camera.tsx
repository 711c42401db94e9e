// One camera: live, what its last check said, what it was, and what can be done with it.
import { useState } from "preact/hooks";
import { part, send } from "../api";
import { History } from "../camera/History";
import { Incidents } from "../camera/Incidents";
import { PauseDialog, resume } from "../camera/PauseDialog";
import { Uptime } from "../camera/Uptime";
import { Ago, Bars, Button, Confirm, Icon, Ladder, LinkButton, Rich, Since, StateBadge, toast, toastError } from "../components";
import { LiveView } from "../live/LiveView";
import { go, to } from "../router";
import { session } from "../session";
import { camera as find, cameras, take, want, words } from "../store";
import type { CameraView } from "../types";
import { bitRate, cause, clockTime, dated, isLocal, millis, remark, streamFacts, withoutAdvice } from "../words";

/** A check may take its camera's own time-out; this is the longest that may be configured, and a little. */
const CHECK_DEADLINE_MS = 130_000;

export function Camera({ id }: { id: string }) {
  const camera = find(id);
  if (cameras.value === null) return <p class="soft" role="status">Loading …</p>;
  if (!camera) {
    return (
      <section class="empty">
        <Icon name="camera" size={64} />
        <h1>There is no such camera</h1>
        <p>It may have been removed: Settings, Cameras, brings it back.</p>
        <div class="actions centred"><LinkButton look="main" href={to.wall}>To the cameras</LinkButton><LinkButton href={to.settings("cameras")}>Removed cameras</LinkButton></div>
      </section>
    );
  }
  return <Whole camera={camera} />;
}

function Whole({ camera }: { camera: CameraView }) {
  const { text, advice, since } = cause(camera, words);
  const note = remark(camera);
  return (
    <div class="page camera">
      <div class="head">
        <LinkButton look="quiet" icon="back" label="All cameras" href={to.wall} />
        <h1><bdi>{camera.name}</bdi></h1>
        <StateBadge state={camera.state} />
      </div>
      <div class="columns">
        <div class="column">
          <section aria-label="Live" class="card flush"><LiveView key={camera.id} camera={camera} /></section>
          <section aria-label="State" class="card state" data-state={camera.state}>
            <p class="cause"><strong>{text}</strong> {dated(camera) && <span class="soft"><Since at={since} /></span>}</p>
            {advice && <p><Rich text={advice} /></p>}
            {note && <p class="soft">{note}</p>}
            <Bars camera={camera} />
            {session.value?.scope === "admin" && <Deeds camera={camera} />}
          </section>
        </div>
        <div class="column">
          <LastCheck camera={camera} />
          <Uptime camera={camera} />
          <Facts camera={camera} />
        </div>
      </div>
      <History camera={camera} />
      <Incidents camera={camera} />
    </div>
  );
}

function Deeds({ camera }: { camera: CameraView }) {
  const [busy, setBusy] = useState<"check" | "resume" | "remove" | null>(null);
  const [asking, setAsking] = useState<"pause" | "remove" | null>(null);
  const doing = (what: "check" | "resume" | "remove", deed: () => Promise<void>) => {
    setBusy(what);
    deed().catch(toastError).finally(() => setBusy(null));
  };
  const check = () => doing("check", async () => {
    const after = await send<CameraView>("POST", `api/streams/${part(camera.id)}/check`, undefined, { deadlineMs: CHECK_DEADLINE_MS });
    take(after);
    toast(`Checked: ${after.title ?? "no result yet"}.`, after.severity === "ok" ? "good" : after.severity === "fault" ? "bad" : "info");
  });
  const remove = () => doing("remove", async () => {
    await send("DELETE", `api/streams/${part(camera.id)}`);
    setAsking(null);
    want();
    toast(`${camera.name} is removed. Its history is kept: Settings, Cameras, brings it back.`);
    go(to.wall);
  });
  const paused = camera.state === "paused";
  return (
    <div class="actions">
      {!paused && <Button icon="refresh" busy={busy === "check"} onClick={check}>Check now</Button>}
      {paused
        ? <Button icon="play" busy={busy === "resume"} onClick={() => doing("resume", () => resume(camera))}>Resume checks</Button>
        : <Button icon="paused" aria-haspopup="dialog" onClick={() => setAsking("pause")}>Pause checks</Button>}
      <LinkButton icon="edit" href={to.edit(camera.id)}>Edit</LinkButton>
      <Button icon="remove" look="danger" aria-haspopup="dialog" onClick={() => setAsking("remove")}>Remove</Button>
      {asking === "pause" && <PauseDialog camera={camera} onClose={() => setAsking(null)} />}
      {asking === "remove" && (
        <Confirm title={`Remove ${camera.name}?`} deed="Remove" busy={busy === "remove"} onConfirm={remove} onClose={() => setAsking(null)}>
          <p>It is no longer watched. Its history and its settings are kept, and it can be restored in Settings, Cameras.</p>
        </Confirm>
      )}
    </div>
  );
}

function LastCheck({ camera }: { camera: CameraView }) {
  return (
    <section class="card" aria-labelledby="last">
      <h2 id="last">Last check {camera.checked_at && <span class="soft small"><Ago at={camera.checked_at} /></span>}</h2>
      {camera.verdict
        ? <>
            <Ladder rungs={camera.rungs} verdict={camera.verdict} title={camera.title} advice={camera.advice} message={camera.message} url={camera.url} />
            {camera.severity !== "fault" && camera.message && <p class="soft small">{withoutAdvice(camera.message, camera.advice)}</p>}
            {camera.check_ms != null && <p class="soft small">{millis(camera.check_ms)} in all</p>}
          </>
        : <p class="soft">Not checked yet.</p>}
    </section>
  );
}

function Facts({ camera }: { camera: CameraView }) {
  const stream = camera.stream;
  const local = isLocal(camera.url);
  // Of raw pictures the profile is their kind, said already.
  const profile = stream?.codec === "raw" ? null : stream?.profile;
  const rows: [string, string | null][] = [
    ["Address", camera.url],
    ["Video", [...streamFacts(stream), profile].filter(Boolean).join(" · ") || null],
    ["Bit rate", stream?.kbps != null ? bitRate(stream.kbps) : null],
    [local ? "Lost pictures" : "Lost packets", stream?.loss_percent ? `${stream.loss_percent.toFixed(1)} %` : null],
    ["Latency", camera.first_packet_ms != null ? `first ${local ? "data" : "packet"} after ${millis(camera.first_packet_ms)}` : null],
    ["First frame", camera.first_frame_ms != null ? `after ${millis(camera.first_frame_ms)}` : null],
    ["Failed in a row", camera.failures ? String(camera.failures) : null],
    ["Checked", `every ${camera.heartbeat_seconds} s${camera.next_check ? `, next at ${clockTime(camera.next_check)}` : ""}`],
    ["Viewers", camera.live?.viewers ? String(camera.live.viewers) : null],
  ];
  return (
    <section class="card" aria-labelledby="facts">
      <h2 id="facts">Particulars</h2>
      <dl class="facts-list">
        {rows.filter(([, value]) => value !== null).map(([term, value]) => <><dt>{term}</dt><dd>{value}</dd></>)}
      </dl>
    </section>
  );
}
