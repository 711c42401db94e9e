// Tries a camera's URL and tells each rung as it is reached (`POST /api/check`, answered as an event stream).
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, call } from "../api";
import type { CheckResult, RungTime } from "../types";
import { eventsOf } from "./eventStream";

/** What to try. */
export interface TryRequest {
  /** The camera that a masked URL belongs to. */
  id?: string;
  url: string;
  username?: string;
  password?: string;
  transport?: unknown;
  tls_insecure?: unknown;
  timeout_seconds?: unknown;
}

export interface Try {
  state: "idle" | "running" | "done" | "failed";
  /** What was tried; compare with what would be tried now. */
  request: TryRequest | null;
  rungs: readonly RungTime[];
  result: CheckResult | null;
  /** Why there is no result. */
  error: unknown;
}

const IDLE: Try = { state: "idle", request: null, rungs: [], result: null, error: null };
/** The longest check is 120 s; then some for the way. */
const DEADLINE_MS = 135_000;

export function useTry(): Try & { run: (request: TryRequest) => Promise<CheckResult | null>; cancel: () => void } {
  const [state, setState] = useState<Try>(IDLE);
  const running = useRef<AbortController | null>(null);
  const cancel = () => {
    running.current?.abort();
    running.current = null;
  };
  useEffect(() => cancel, []);

  const run = async (request: TryRequest): Promise<CheckResult | null> => {
    cancel();
    const mine = new AbortController();
    running.current = mine;
    // Only the newest try tells anything.
    const tell = (next: Partial<Try>) => running.current === mine && setState((before) => ({ ...before, ...next }));
    setState({ ...IDLE, state: "running", request });
    try {
      const result = await climb(request, mine.signal, (rung) =>
        running.current === mine && setState((before) => ({ ...before, rungs: [...before.rungs, rung] })));
      tell({ state: "done", result, rungs: result.rungs });
      return running.current === mine ? result : null;
    } catch (error) {
      tell({ state: "failed", error });
      return null;
    }
  };
  return {
    ...state,
    run,
    cancel: () => {
      cancel();
      setState(IDLE);
    },
  };
}

async function climb(request: TryRequest, signal: AbortSignal, reached: (rung: RungTime) => void): Promise<CheckResult> {
  const response = await call("POST", "api/check", request, { headers: { accept: "text/event-stream" }, signal, deadlineMs: DEADLINE_MS });
  if (response.body === null || !response.headers.get("content-type")?.startsWith("text/event-stream")) {
    return await response.json() as CheckResult;
  }
  for await (const { event, data } of eventsOf(response.body)) {
    if (event === "rung") reached(JSON.parse(data) as RungTime);
    if (event === "error") throw new ApiError(0, (JSON.parse(data) as { what: string }).what, "Try it again; if it stays so, look at the log.");
    if (event === "result") return JSON.parse(data) as CheckResult;
  }
  throw new ApiError(0, "The box stopped telling before the check had ended", "Try it again.");
}
