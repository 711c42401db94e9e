// The ladder that a check climbs: rungs reached with their times, the one it is at, the one it fell from.
import { ladder } from "../store";
import type { Rung, RungTime } from "../types";
import { isLocal, particulars, rungWord } from "../words";
import { Rich } from "./Rich";
import { Fell, Steps, type Mark } from "./Steps";

const ALL: readonly Rung[] = ["resolve", "connect", "encrypt", "describe", "first_packet", "first_key_frame", "picture"];
/** A camera at the box has no name to find and nothing to encrypt. */
const LOCAL: readonly Rung[] = ["connect", "describe", "first_packet", "first_key_frame", "picture"];

interface Props {
  /** Reached so far, in climbing order. */
  rungs: readonly RungTime[];
  /** While the check is climbing. */
  running?: boolean;
  /** How it ended. */
  verdict?: string | null | undefined;
  title?: string | null | undefined;
  advice?: string | null | undefined;
  /** The particulars, shown under a failure. */
  message?: string | null | undefined;
  /** Whether it is encrypted, so that this rung is expected. */
  url?: string | undefined;
}

export function Ladder({ rungs, running = false, verdict, title, advice, message, url = "" }: Props) {
  const times = new Map(rungs.map((one) => [one.rung, one.ms]));
  const row = verdict ? ladder.value[verdict] : undefined;
  const local = isLocal(url);
  const told = !running && row?.severity === "fault" ? row.rung : null;
  // A device that cannot be opened has refused nothing yet.
  const fell = local && told === "describe" && !times.has("connect") ? "connect" : told;
  const secure = /^(rtsps|https):/i.test(url) || times.has("encrypt") || fell === "encrypt";
  const shown = local ? LOCAL : ALL.filter((rung) => rung !== "encrypt" || secure);
  const highest = Math.max(-1, ...shown.map((rung, i) => (times.has(rung) ? i : -1)));
  const mark = (rung: Rung, i: number): Mark => {
    if (rung === fell) return "failed";
    // Nothing stands above a fall, whatever was reached before it.
    if (fell && ALL.indexOf(rung) > ALL.indexOf(fell)) return "open";
    if (times.has(rung)) return "reached";
    if (i < highest) return "skipped";
    if (running) return i === highest + 1 ? "current" : "open";
    return fell || !verdict || row?.severity === "unknown" ? "open" : "skipped";
  };
  const steps = shown.map((rung, i) => ({
    name: rung, word: rungWord(rung, local), mark: mark(rung, i), ms: times.get(rung), skipped: rung === "picture" ? "not judged" : undefined,
  }));
  return (
    <Steps steps={steps} running={running}>
      <Fell title={title ?? row?.title} advice={advice && <Rich text={advice} />}
        detail={message && <Rich text={particulars(message, title ?? row?.title, advice)} />} />
    </Steps>
  );
}
