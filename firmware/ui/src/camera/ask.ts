// Asks the box for something, and again when what it depends on changes.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";

export interface Asked<T> {
  value: T | null;
  error: unknown;
}

/** What `path` answers; the last answer stays while the next is on its way. */
export function useAsked<T>(path: string, again: unknown = 0): Asked<T> {
  const [asked, setAsked] = useState<Asked<T> & { path: string }>({ path, value: null, error: null });
  useEffect(() => {
    const stop = new AbortController();
    get<T>(path, { signal: stop.signal }).then(
      (value) => setAsked({ path, value, error: null }),
      (error: unknown) => {
        if (!stop.signal.aborted) setAsked((before) => ({ ...before, path, error }));
      },
    );
    return () => stop.abort();
  }, [path, again]);
  return asked;
}
