// A try at a broker and what came of it: each step ticked, or the one that failed and what to do.
import { useEffect, useRef } from "preact/hooks";
import { Fell, Notice, Rich, ErrorNotice, Steps, type Step } from "../components";
import type { BrokerTried, Rung } from "../types";
import { withLabels } from "./keys";
import type { BrokerTry } from "./useBrokerTry";

const WORD: Partial<Record<Rung, string>> = {
  resolve: "Name found", connect: "Connected", encrypt: "Connection encrypted", describe: "Taken in by the broker",
};

export function BrokerTryPanel({ attempt, secure, next }: {
  attempt: BrokerTry;
  /** Whether it is to be encrypted. */
  secure: boolean;
  /** What is to be done where it works. */
  next: string;
}) {
  const { state, result, error } = attempt;
  const panel = useRef<HTMLElement>(null);
  // In sight when it begins, and its end too: the form is longer than a screen.
  useEffect(() => panel.current?.scrollIntoView({ block: "nearest" }), [state]);
  if (state === "idle") return null;
  return (
    <section class="try" ref={panel} aria-label="The try">
      <p class="unseen" role="status">{said(state, result, next)}</p>
      {state === "failed" ? <ErrorNotice error={error} /> : (
        <>
          {state === "running" && <p><span class="spinner" aria-hidden="true" /> Trying …</p>}
          <Steps steps={steps(result, secure)} running={state === "running"}>
            <Fell title={result?.title} advice={result?.advice && <Rich text={result.advice} />} detail={result?.message && <Rich text={withLabels(result.message)} />} />
          </Steps>
          {result?.ok && <Notice mood="good"><strong>It works.</strong> <Rich text={next} /></Notice>}
        </>)}
    </section>
  );
}

function steps(result: BrokerTried | null, secure: boolean): Step[] {
  const all = (Object.keys(WORD) as Rung[]).filter((rung) => rung !== "encrypt" || secure || result?.rungs.some((one) => one.rung === rung));
  const fell = result?.failed ? all.indexOf(result.failed) : -1;
  return all.map((rung, i) => ({
    name: rung,
    word: WORD[rung] ?? rung,
    ms: result?.rungs.find((one) => one.rung === rung)?.ms,
    mark: result === null ? "open" : i === fell ? "failed" : result.ok || i < fell ? "reached" : "open",
  }));
}

/** For a screen reader. */
function said(state: BrokerTry["state"], result: BrokerTried | null, next: string): string {
  if (state === "running") return "Trying";
  if (result === null) return "";
  return result.ok ? `It works. ${next}` : `It failed: ${result.title}. ${result.advice}`;
}
