// The share of time up, over four periods; weighted by time, and only of what was watched.
import { part } from "../api";
import { ErrorNotice } from "../components";
import type { CameraView, Uptime as Share, Uptimes } from "../types";
import { percent, span } from "../words";
import { useAsked } from "./ask";

const PERIODS: { key: keyof Uptimes; text: string }[] = [
  { key: "day", text: "24 h" },
  { key: "week", text: "7 d" },
  { key: "month", text: "30 d" },
  { key: "year", text: "365 d" },
];

function said({ percent: share, times_ms: times }: Share): string {
  if (share === null) return "not watched";
  const parts = [];
  if (times.down > 0) parts.push(`down ${span(times.down)}`);
  // The shorter of the two: of a new camera, how long it has been watched.
  const watched = times.up + times.degraded + times.down + times.unknown;
  if (times.unwatched > watched) parts.push(`watched for ${span(watched)}`);
  else if (times.unwatched > 0) parts.push(`not watched ${span(times.unwatched)}`);
  return parts.join(", ") || "never down";
}

export function Uptime({ camera }: { camera: CameraView }) {
  const { value, error } = useAsked<Uptimes>(`api/streams/${part(camera.id)}/uptime`, camera.state);
  return (
    <section class="card" aria-labelledby="uptime">
      <h2 id="uptime">Uptime</h2>
      {error != null && <ErrorNotice error={error} />}
      <dl class="uptime">
        {PERIODS.map(({ key, text }) => {
          const share = value?.[key];
          return (
            <div key={key}>
              <dt>{text}</dt>
              <dd>
                <b>{share ? (share.percent === null ? "–" : percent(share.percent)) : "…"}</b>
                <span class="soft small">{share ? said(share) : ""}</span>
              </dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}
