// The last 50 checks as bars, oldest first; a gap where the box was not watching.
import { words } from "../store";
import type { CameraView } from "../types";
import { exact, isLocal, millis, withGaps } from "../words";

const BARS = 50;

export function Bars({ camera: { recent, heartbeat_seconds: heartbeatSeconds, url } }: { camera: CameraView }) {
  const local = isLocal(url);
  const last = recent.slice(-BARS);
  const shown = withGaps(last, heartbeatSeconds).slice(-BARS);
  const failed = last.filter((check) => check.severity === "fault").length;
  const gaps = shown.filter((check) => check === null).length;
  const said = `Last ${last.length} checks: ${failed} failed${gaps ? `, not watched ${gaps === 1 ? "once" : `${gaps} times`}` : ""}`;
  return (
    <div class="bars" role="img" aria-label={said}>
      {Array.from({ length: BARS - shown.length }, (_, i) => <i key={`empty-${i}`} data-severity="none" />)}
      {shown.map((check, i) =>
        check
          ? <i key={check.at} data-severity={check.severity} title={`${exact(check.at)}: ${words(check.verdict, local).title}${check.ms === null ? "" : `, ${millis(check.ms)}`}`} />
          : <i key={`gap-${i}`} data-severity="gap" title="Not watched" />)}
    </div>
  );
}
