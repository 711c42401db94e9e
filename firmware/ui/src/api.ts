// Calls to the box. Every call has a deadline, and every failure becomes an ApiError that says what happened
// and what to do. An answer that the person is not signed in (any more) closes the gate: see session.ts.
import type { CheckResult, Problem } from "./types";

const DEADLINE_MS = 20_000;

export class ApiError extends Error {
  override name = "ApiError";
  constructor(
    /** 0 where the box did not answer at all. */
    readonly status: number,
    readonly what: string,
    readonly what_to_do: string,
    readonly problems: Problem[] = [],
    readonly check: CheckResult | null = null,
    /** Seconds to wait before trying again, where the box says so. */
    readonly retry_after: number | null = null,
  ) {
    super(what);
  }

  /** What to do. */
  get do(): string {
    return this.what_to_do;
  }
}

export interface CallOptions {
  /** Sent as it is, with this content type, instead of JSON. */
  type?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  deadlineMs?: number;
}

/** The box's clock minus ours, ms. */
export let skew = 0;

let onSignedOut: () => void = () => {};

/** Called with every 401: whether it means "signed out" or "wrong password" the session tells. */
export function whenRefused(act: () => void): void {
  onSignedOut = act;
}

/** One id in a path. */
export const part = encodeURIComponent;

/** An address that the API gave (`/api/…`), beside where this page lies. */
export function href(path: string): string {
  return path.replace(/^\/+/, "");
}

/** The response itself, if it is a good one. */
export async function call(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json", ...options.headers };
  const init: RequestInit = { method, headers, cache: "no-store", credentials: "same-origin" };
  if (body !== undefined) {
    headers["content-type"] = options.type ?? "application/json";
    init.body = options.type ? (body as BodyInit) : JSON.stringify(body);
  }
  // By hand: AbortSignal.any is too new for some phones. It covers the answer's body too.
  const stop = new AbortController();
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    stop.abort();
  }, options.deadlineMs ?? DEADLINE_MS);
  const asked = () => stop.abort();
  if (options.signal?.aborted) asked();
  options.signal?.addEventListener("abort", asked);
  init.signal = stop.signal;
  let response: Response;
  try {
    response = await fetch(href(path), init);
  } catch (error) {
    clearTimeout(deadline);
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, late ? "The box did not answer in time" : "The box does not answer",
      "Check that it has power and network; this page goes on trying.");
  }
  const date = Date.parse(response.headers.get("date") ?? "");
  // The header has whole seconds; less than three of difference is the way here.
  if (!Number.isNaN(date)) skew = Math.abs(date - Date.now()) < 3000 ? 0 : date - Date.now();
  if (!response.ok) {
    if (response.status === 401) onSignedOut();
    throw await failure(response);
  }
  return response;
}

async function failure(response: Response): Promise<ApiError> {
  const after = Number(response.headers.get("retry-after") ?? "");
  const retry = after > 0 ? after : null;
  try {
    const { error } = await response.json() as { error: { what: string; do: string; problems?: Problem[]; check?: CheckResult } };
    return new ApiError(response.status, error.what, error.do ?? "", error.problems ?? [], error.check ?? null, retry);
  } catch {
    return new ApiError(response.status, `The box answered with ${response.status}`, "Try again; if it stays so, look at the log.", [], null, retry);
  }
}

/** GET, as JSON. */
export async function get<T>(path: string, options?: CallOptions): Promise<T> {
  return (await call("GET", path, undefined, options)).json() as Promise<T>;
}

/** GET, as text, with its ETag. */
export async function getText(path: string, accept: string, options: CallOptions = {}): Promise<{ text: string; etag: string | null }> {
  const response = await call("GET", path, undefined, { ...options, headers: { ...options.headers, accept } });
  return { text: await response.text(), etag: response.headers.get("etag") };
}

/** Any other method; the answer as JSON, undefined where there is none (204). */
export async function send<T = void>(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, body?: unknown, options?: CallOptions): Promise<T> {
  const response = await call(method, path, body, options);
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** Any error as two lines for a person. */
export function told(error: unknown): { what: string; do: string } {
  if (error instanceof ApiError) return { what: error.what, do: error.do };
  return { what: error instanceof Error ? error.message : String(error), do: "Reload the page; if it stays so, look at the log." };
}
