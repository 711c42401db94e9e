// A try while it climbs, and what came of it: the picture and what is sent, or the fault and what to do.
import { useEffect, useRef } from "preact/hooks";
import { ErrorNotice, Ladder, Notice, Rich } from "../components";
import type { CheckResult } from "../types";
import { bitRate, millis, streamFacts } from "../words";
import type { Try } from "./useTry";

export function TryPanel({ attempt }: { attempt: Try }) {
  const { state, rungs, result, error, request } = attempt;
  const panel = useRef<HTMLElement>(null);
  // In sight when it begins, and its end too: on a phone the form is longer than the screen.
  useEffect(() => panel.current?.scrollIntoView({ block: "nearest" }), [state]);
  if (state === "idle") return null;
  return (
    <section class="try" ref={panel} aria-label="The check">
      <p class="unseen" role="status">{said(attempt)}</p>
      {state === "failed" ? <ErrorNotice error={error} /> : (
        <div class={result !== null && result.picture === null ? "try-columns one" : "try-columns"}>
          <Ladder rungs={rungs} running={state === "running"} verdict={result?.verdict} title={result?.title} advice={result?.advice}
            message={result?.message} url={request?.url} />
          {result && <Outcome result={result} />}
        </div>)}
    </section>
  );
}

function Outcome({ result }: { result: CheckResult }) {
  const facts = streamFacts(result.stream);
  if (result.stream?.kbps != null) facts.push(bitRate(result.stream.kbps));
  return (
    <div class="outcome">
      {result.picture && <img src={result.picture} alt="What the camera sees now" />}
      {result.severity === "fault" ? null : result.severity === "warning"
        ? <Notice mood="warning"><strong>{result.title}.</strong> <Rich text={result.advice} /></Notice>
        : <Notice mood="good"><strong>It works.</strong> {result.picture ? "This is its picture." : "The box does not decode this codec, so it shows no picture here."}</Notice>}
      {facts.length > 0 && <p>{facts.join(" · ")}</p>}
      {result.first_frame_ms !== null && <p class="soft small">First picture after {millis(result.first_frame_ms)}</p>}
      {result.answer !== null && <><p class="soft small">What the camera answered:</p><pre>{result.answer}</pre></>}
    </div>
  );
}

/** For a screen reader: how far it is, and how it ended. */
function said({ state, rungs, result }: Try): string {
  if (state === "running") return `Trying: ${rungs.length} ${rungs.length === 1 ? "step" : "steps"} reached`;
  if (result === null) return "";
  return result.severity === "fault" ? `It failed: ${result.title}. ${result.advice}` : `It works. ${streamFacts(result.stream).join(", ")}`;
}
