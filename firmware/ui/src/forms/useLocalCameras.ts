// Which cameras are plugged in at the box, looked at again and again: people plug one in while the page is open.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import type { LocalCamera } from "../types";

const LOOK_MS = 5_000;

export interface Local {
  /** Null until the box has told. */
  cameras: readonly LocalCamera[] | null;
  /** Why it could not tell the last time. */
  error: unknown;
}

/** Looks only while `wanted`. */
export function useLocalCameras(wanted = true): Local {
  const [local, setLocal] = useState<Local>({ cameras: null, error: null });
  useEffect(() => {
    if (!wanted) return;
    const gone = new AbortController();
    let timer: number | undefined;
    const look = async () => {
      if (!document.hidden) {
        await get<{ cameras: LocalCamera[] }>("api/local-cameras", { signal: gone.signal }).then(
          ({ cameras }) => setLocal({ cameras, error: null }),
          (error: unknown) => gone.signal.aborted || setLocal(({ cameras }) => ({ cameras, error })),
        );
      }
      if (!gone.signal.aborted) timer = window.setTimeout(look, LOOK_MS);
    };
    void look();
    return () => {
      clearTimeout(timer);
      gone.abort();
    };
  }, [wanted]);
  return local;
}
