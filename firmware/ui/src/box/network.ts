// How the box is reached, and whether a change of that waits for a word.
import { signal } from "@preact/signals";
import { get } from "../api";

export type LinkState = "absent" | "down" | "no_address" | "up";

export interface Network {
  name: string;
  addresses: readonly string[];
  cable: LinkState;
  /** Null where none is set up. */
  wifi: LinkState | null;
  trial: { seconds_left: number } | null;
}

/** How long changed settings wait for a word (the daemon's `CONFIRM_WITHIN`), until it has told itself. */
const TRIAL_MS = 120_000;

/** Null until the box has told. */
export const network = signal<Network | null>(null);
/** When the trial ends, ms by this page's clock; null where nothing is on trial. */
export const trialEnds = signal<number | null>(null);
/** How often nobody has confirmed a change: a form that showed it is out of date then. */
export const takenBack = signal(0);

export async function askNetwork(): Promise<void> {
  const now = await get<Network>("api/network");
  network.value = now;
  trialEnds.value = now.trial ? Date.now() + now.trial.seconds_left * 1000 : null;
}

/** Settings of the network were saved: the box may be gone from here before it can tell. */
export function changed(): void {
  trialEnds.value = Date.now() + TRIAL_MS;
  askNetwork().catch(() => undefined); // it is asked again
}
