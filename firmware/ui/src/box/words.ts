// The appliance's states in a person's words.
import type { Appliance, StartCause, UpdateState, UpdateStatus } from "../types";

const CAUSE: Readonly<Record<StartCause, string>> = {
  first: "First start",
  power: "Power cut",
  restart: "Restart",
  update: "Update",
  rollback: "Update put back",
  watchdog: "Watchdog",
  panic: "Crash",
  reset: "Factory reset",
};

/** Why the box started, for a heading: the box tells the sentence. A newer box may have more words. */
export const causeText = (cause: StartCause): string => CAUSE[cause] ?? cause;

const STORAGE: Readonly<Record<string, string>> = {
  ok: "well", new: "just made", grown: "grown to the card’s size", repaired: "was damaged, and is repaired",
  memory: "none: nothing is kept over a restart", readonly: "read-only: nothing new is kept",
};

export const storageText = (state: string): string => STORAGE[state] ?? state;

/** The power must not be cut. */
export const isWriting = (state: UpdateState | undefined): boolean => state === "checking" || state === "writing" || state === "written";

/** Nothing else can be begun. */
export const isBusy = (state: UpdateState | undefined): boolean => isWriting(state) || state === "trying";

export const slotText = ({ slot }: Appliance): string | null =>
  slot === null ? null : `System ${slot}; ${slot === "A" ? "B" : "A"} is the spare`;

/** How the update is, whole sentences; null where there is nothing to tell. The box's own where it knows more. */
export function updateText({ state, version, message }: UpdateStatus): string | null {
  switch (state) {
    case "writing":
    case "written":
    case "trying": return plainText(state, version);
    case "refused": return ["Nothing was written.", message].filter(Boolean).join(" ");
    default: return message ?? plainText(state, version);
  }
}

function plainText(state: UpdateState, version: string | null): string | null {
  const it = version ? `Version ${version}` : "The update";
  switch (state) {
    case "none": return null;
    case "checking": return "The update is being checked: its signature, and whether it fits this box and its data.";
    case "waiting": return `${it} fits and is ready to be installed.`;
    case "writing": return `${it} is being written beside the system that runs.`;
    case "written": return `${it} is written. The box restarts into it now; this page comes back by itself.`;
    case "trying": return `${it} runs on trial: within ten minutes network and cameras must be as they were, or the former system comes back by itself.`;
    case "good": return `${it} is installed and has proved itself.`;
    case "refused": return "Nothing was written.";
    case "failed": return `${it} broke off. The box goes on as it was.`;
    case "rolled_back": return `${it} was not well, and the former system is back.`;
    default: return state;
  }
}
