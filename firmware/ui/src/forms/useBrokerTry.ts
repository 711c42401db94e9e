// Tries a broker (`POST /api/mqtt/try`) with the settings of a form that is not saved yet.
import { useEffect, useRef, useState } from "preact/hooks";
import { send } from "../api";
import type { BrokerTried } from "../types";
import type { Value } from "./keys";

/** What to try: keys of `mqtt` that differ from what is saved. */
export type BrokerRequest = Readonly<Record<string, Value>>;

export interface BrokerTry {
  state: "idle" | "running" | "done" | "failed";
  /** What was tried; compare with what would be tried now. */
  request: BrokerRequest | null;
  result: BrokerTried | null;
  /** Why there is no result. */
  error: unknown;
}

const IDLE: BrokerTry = { state: "idle", request: null, result: null, error: null };
/** A try ends within 20 s; then some for the way. */
const DEADLINE_MS = 30_000;

export function useBrokerTry(): BrokerTry & { run: (request: BrokerRequest) => Promise<void>; forget: () => void } {
  const [state, setState] = useState<BrokerTry>(IDLE);
  const running = useRef<AbortController | null>(null);
  const cancel = () => {
    running.current?.abort();
    running.current = null;
  };
  useEffect(() => cancel, []);

  const run = async (request: BrokerRequest) => {
    cancel();
    const mine = new AbortController();
    running.current = mine;
    // Only the newest try tells anything.
    const tell = (next: Partial<BrokerTry>) => running.current === mine && setState((before) => ({ ...before, ...next }));
    setState({ ...IDLE, state: "running", request });
    try {
      tell({ state: "done", result: await send<BrokerTried>("POST", "api/mqtt/try", request, { signal: mine.signal, deadlineMs: DEADLINE_MS }) });
    } catch (error) {
      tell({ state: "failed", error });
    }
  };
  return {
    ...state,
    run,
    forget: () => {
      cancel();
      setState(IDLE);
    },
  };
}
