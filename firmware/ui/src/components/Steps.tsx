// Steps that are climbed one after the other: those reached with their times, the one it is at, the one that failed.
import type { ComponentChildren } from "preact";
import { millis } from "../words";
import { Icon } from "./Icon";

export type Mark = "reached" | "current" | "failed" | "open" | "skipped";

export interface Step {
  name: string;
  /** As a person reads it. */
  word: string;
  mark: Mark;
  /** What it alone took. */
  ms?: number | undefined;
  /** What is said of one that was skipped. */
  skipped?: string | undefined;
}

const SAID: Record<Mark, string> = { reached: "reached", current: "under way", failed: "failed", open: "not reached", skipped: "not asked" };

/** `children` stand under the step that failed. */
export function Steps({ steps, running, children }: { steps: readonly Step[]; running: boolean; children?: ComponentChildren }) {
  return (
    <ol class="ladder" aria-busy={running}>
      {steps.map(({ name, word, mark, ms, skipped = SAID.skipped }) => (
        <li key={name} data-mark={mark}>
          <span class="mark" aria-hidden="true">
            {mark === "reached" ? <Icon name="up" size={14} /> : mark === "failed" ? <Icon name="down" size={14} /> : mark === "current" ? <span class="spinner" /> : null}
          </span>
          <span class="rung">{word}<span class="unseen">: {mark === "skipped" ? skipped : SAID[mark]}</span></span>
          <span class="ms">{ms !== undefined && mark === "reached" ? millis(ms) : mark === "skipped" ? skipped : ""}</span>
          {mark === "failed" && children}
        </li>
      ))}
    </ol>
  );
}

/** What failed, what to do, and what only this time tells. */
export function Fell({ title, advice, detail }: { title: ComponentChildren; advice: ComponentChildren; detail: ComponentChildren }) {
  return (
    <div class="fell">
      <strong>{title}</strong>
      {advice && <p>{advice}</p>}
      {detail && <p class="soft small">{detail}</p>}
    </div>
  );
}
