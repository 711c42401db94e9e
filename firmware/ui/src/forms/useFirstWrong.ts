// After a refused save the focus goes to the first field that is wrong: in a long form it may be out of sight.
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** Gives the form's ref. `error` is what the box said; each new one moves the focus once. */
export function useFirstWrong(error: unknown): RefObject<HTMLFormElement | null> {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (error === null) return;
    const field = form.current?.querySelector<HTMLElement>("[aria-invalid=true], .field.wrong input, .field.wrong button");
    field?.focus({ preventScroll: true });
    field?.scrollIntoView({ block: "center" });
  }, [error]);
  return form;
}
