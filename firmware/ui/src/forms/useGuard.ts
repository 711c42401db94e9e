// Unsaved changes: leaving the page asks first.
import { useEffect, useRef } from "preact/hooks";
import { guardUnsaved } from "../router";

/** Guards while `dirty`. Returns what lets the page be left for good, after saving. */
export function useGuard(dirty: boolean): () => void {
  const state = useRef({ dirty, released: false });
  state.current.dirty = dirty;
  useEffect(() => guardUnsaved(() => state.current.dirty && !state.current.released), []);
  return () => {
    state.current.released = true;
  };
}
