// The table of keys, asked for once: it changes only with the daemon.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import type { SettingKey } from "../types";

let asked: Promise<SettingKey[]> | null = null;

function askKeys(): Promise<SettingKey[]> {
  asked ??= get<SettingKey[]>("api/settings/keys").catch((error: unknown) => {
    asked = null; // the next page asks again
    throw error;
  });
  return asked;
}

/** Null until the box has told. */
export function useKeys(): { keys: SettingKey[] | null; error: unknown } {
  const [state, setState] = useState<{ keys: SettingKey[] | null; error: unknown }>({ keys: null, error: null });
  useEffect(() => {
    let here = true;
    askKeys().then((keys) => here && setState({ keys, error: null }), (error: unknown) => here && setState({ keys: null, error }));
    return () => {
      here = false;
    };
  }, []);
  return state;
}
