// Checks a text a moment after the last key was pressed; the newest text wins.
import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import type { Problem } from "../types";

const QUIET_MS = 400;

export interface YamlCheck {
  /** Null until the first answer, and while the text is newer than it. */
  fresh: boolean;
  problems: readonly Problem[];
  cameras: number;
  /** Why there is no answer. */
  error: unknown;
}

export function useYamlCheck(text: string | null): YamlCheck {
  const [checked, setChecked] = useState<{ text: string | null } & Omit<YamlCheck, "fresh">>({ text: null, problems: [], cameras: 0, error: null });
  useEffect(() => {
    if (text === null) return;
    const mine = new AbortController();
    const timer = setTimeout(() => {
      call("POST", "api/config/check", text, { type: "text/yaml", signal: mine.signal })
        .then((response) => response.json() as Promise<{ problems: Problem[]; cameras: number }>)
        .then(({ problems, cameras }) => setChecked({ text, problems, cameras, error: null }))
        .catch((error: unknown) => mine.signal.aborted || setChecked((before) => ({ ...before, text, error })));
    }, QUIET_MS);
    return () => {
      clearTimeout(timer);
      mine.abort();
    };
  }, [text]);
  const { text: of, ...rest } = checked;
  return { ...rest, fresh: of === text && text !== null };
}
