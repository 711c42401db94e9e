// How the box is reached, and whether a change of that waits for a word.
import { signal } from "@preact/signals";
import { get, send } from "../api";
import { toast } from "../components";
import type { Tree } from "../forms/keys";

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
/** A box that has gone to another address does not answer here. */
const ANSWER_MS = 2_000;

/** Null until the box has told. */
export const network = signal<Network | null>(null);
/** When the trial ends, ms by this page's clock; null where nothing is on trial. */
export const trialEnds = signal<number | null>(null);
/** The settings as they are since a trial of this page's has ended by itself. */
export const afterTrial = signal<Tree | null>(null);

/** What this page has put on trial, as JSON; null where nothing is. */
let tried: string | null = null;
/** Raised by what makes older answers untrue. */
let age = 0;

const networkOf = (settings: Tree): string => JSON.stringify(settings["network"] ?? null);

export async function askNetwork(): Promise<void> {
  const asked = age;
  const now = await get<Network>("api/network");
  if (asked !== age) return;
  network.value = now;
  trialEnds.value = now.trial ? Date.now() + now.trial.seconds_left * 1000 : null;
  if (now.trial === null && tried !== null) await over();
}

/** The trial has ended without this page: what is in force says how. */
async function over(): Promise<void> {
  const settings = await get<Tree>("api/settings");
  if (tried === null) return;
  const stays = networkOf(settings) === tried;
  tried = null;
  if (stays) return;
  afterTrial.value = settings;
  toast("Nobody confirmed the network settings: the former ones are back.", "warning");
}

/** Settings of the network were saved: the box may be gone from here before it can tell. */
export function changed(settings: Tree): void {
  age += 1;
  tried = networkOf(settings);
  const gone = setTimeout(() => {
    trialEnds.value ??= Date.now() + TRIAL_MS;
  }, ANSWER_MS);
  askNetwork().then(() => clearTimeout(gone), () => undefined); // it is asked again
}

export async function keep(): Promise<void> {
  await send("POST", "api/network/keep");
  age += 1;
  tried = null;
  trialEnds.value = null;
}
