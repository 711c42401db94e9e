// The stretches of down and degraded of the last 30 days, newest first, each with what proves it.
import { useEffect, useMemo, useState } from "preact/hooks";
import { href, part } from "../api";
import { Button, ErrorNotice, Exact, Rich, StateBadge } from "../components";
import { now, words } from "../store";
import type { CameraView, Evidence, EvidencePicture, Incident } from "../types";
import { exact, isLocal, span, withoutAdvice } from "../words";
import { useAsked } from "./ask";
import { period } from "./History";

const DAYS = 30;
const LIMIT = 100;
const SHOWN_AT_FIRST = 5;

export function Incidents({ camera }: { camera: CameraView }) {
  const [open, setOpen] = useState(false);
  const query = useMemo(() => period(DAYS), [camera.state, camera.incident?.id]);
  // While one is shown that is not over, each check may end it.
  const again = `${camera.state} ${camera.incident?.id} ${open ? camera.checked_at : ""}`;
  const { value, error } = useAsked<Incident[]>(`api/streams/${part(camera.id)}/incidents?${query}&limit=${LIMIT}`, again);
  useEffect(() => setOpen(value?.some((incident) => incident.to === null) ?? false), [value]);
  const [all, setAll] = useState(false);
  const newest = value?.toReversed() ?? [];
  const shown = all ? newest : newest.slice(0, SHOWN_AT_FIRST);
  return (
    <section aria-labelledby="incidents">
      <h2 id="incidents">Incidents of the last {DAYS} days</h2>
      {error != null && <ErrorNotice error={error} />}
      {value === null && error == null && <p class="soft">Loading …</p>}
      {value?.length === 0 && <p class="soft">None.</p>}
      <ol class="incidents">{shown.map((incident, i) => <One key={incident.id} incident={incident} local={isLocal(camera.url)} open={i === 0} />)}</ol>
      {newest.length > shown.length && <Button onClick={() => setAll(true)}>Show all {newest.length}</Button>}
    </section>
  );
}

function One({ incident, local, open }: { incident: Incident; local: boolean; open: boolean }) {
  const { title, advice } = words(incident.verdict, local);
  const until = incident.to ? Date.parse(incident.to) : now.value;
  const lasted = span(until - Date.parse(incident.from));
  return (
    <li class="card incident">
      <details open={open}>
        <summary>
          <StateBadge state={incident.state} />
          <strong>{title}</strong>
          <span class="soft small"><Exact at={incident.from} /> · {incident.to ? `lasted ${lasted}` : `for ${lasted}, not over yet`}</span>
        </summary>
        <Proof incident={incident} evidence={incident.evidence ?? null} advice={incident.evidence?.advice || advice} />
      </details>
    </li>
  );
}

function Proof({ incident, evidence, advice }: { incident: Incident; evidence: Evidence | null; advice: string }) {
  return (
    <div class="proof">
      {evidence && (evidence.good || evidence.bad) && (
        <div class="pictures">
          {evidence.good && <Shown picture={evidence.good} text="Last good picture" />}
          {evidence.bad && <Shown picture={evidence.bad} text="First bad picture" />}
        </div>
      )}
      <dl>
        <dt>What happened</dt><dd><Rich text={withoutAdvice(evidence?.message || incident.message, advice)} /></dd>
        {evidence?.answer && <><dt>First bad answer</dt><dd><pre tabIndex={0} aria-label="The camera's first bad answer">{evidence.answer}</pre></dd></>}
        {advice && <><dt>What to do</dt><dd><Rich text={advice} /></dd></>}
        <dt>From</dt><dd><Exact at={incident.from} /></dd>
        <dt>To</dt><dd>{incident.to ? <Exact at={incident.to} /> : "not over yet"}</dd>
      </dl>
    </div>
  );
}

function Shown({ picture, text }: { picture: EvidencePicture; text: string }) {
  return (
    <figure>
      <img src={href(picture.url)} alt={`${text}, ${exact(picture.at)}`} loading="lazy" decoding="async" />
      <figcaption class="soft small">{text}, <Exact at={picture.at} /></figcaption>
    </figure>
  );
}
