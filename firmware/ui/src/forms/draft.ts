// What a person has changed and not yet saved: by dotted path, beside the values that the box gave.
// Only the changes are sent.
import { useMemo, useState } from "preact/hooks";
import { valueAt, type Tree, type Value } from "./keys";

/** A form's state. */
export interface Draft {
  /** The value as the form shows it now; undefined or null: not given. */
  value(path: string): Value | undefined;
  /** Null: back to default. Setting what the box has is no change. */
  set(path: string, value: Value): void;
  /** What to send, by dotted path. */
  changes: Readonly<Record<string, Value>>;
  changed: boolean;
  /** Forgets all changes. */
  reset(): void;
}

/** A draft over what the box gave. */
export function useDraft(saved: Tree): Draft {
  const [changes, setChanges] = useState<Record<string, Value>>({});
  return useMemo(() => ({
    value: (path) => (path in changes ? changes[path] : valueAt(saved, path)),
    set: (path, value) => setChanges((before) => withChange(before, saved, path, value)),
    changes,
    changed: Object.keys(changes).length > 0,
    reset: () => setChanges({}),
  }), [changes, saved]);
}

/** `before` with one more change, or one fewer where the value is the box's own again. */
export function withChange(before: Record<string, Value>, saved: Tree, path: string, value: Value): Record<string, Value> {
  const after = { ...before };
  const same = JSON.stringify(valueAt(saved, path) ?? null) === JSON.stringify(value);
  if (same) delete after[path];
  else after[path] = value;
  return after;
}

/** Changes by dotted path as nested JSON: `alarm.failures` becomes `{alarm: {failures}}`. */
export function nested(changes: Readonly<Record<string, Value>>): Tree {
  const tree: Tree = {};
  for (const [path, value] of Object.entries(changes)) {
    const names = path.split(".");
    const last = names.pop() ?? path;
    let at = tree;
    for (const name of names) {
      const next = at[name];
      const inner: Tree = next !== null && typeof next === "object" && !Array.isArray(next) ? next : {};
      at[name] = inner;
      at = inner;
    }
    at[last] = value;
  }
  return tree;
}
