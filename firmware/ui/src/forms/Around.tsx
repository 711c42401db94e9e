// Label, help and error around an input that is no plain text field (components/Field is for those), tied as there.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { Rich } from "../components";

/** What ties the input to its words. */
export interface Tied {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": "true" | undefined;
}

export function Around({ label, help, error, group = false, children }: {
  label: string;
  help?: string | undefined;
  error?: string | null | undefined;
  /** Several inputs under one label. */
  group?: boolean;
  children: (tied: Tied) => ComponentChildren;
}) {
  const id = useId();
  const described = [error && `${id}-error`, help && `${id}-help`].filter(Boolean).join(" ") || undefined;
  const tied: Tied = { id, "aria-describedby": described, "aria-invalid": error ? "true" : undefined };
  return (
    <div class={error ? "field wrong" : "field"}>
      {group ? <>
        <span class="label" id={`${id}-label`}>{label}</span>
        <div role="group" aria-labelledby={`${id}-label`} aria-describedby={described}>{children(tied)}</div>
      </> : <>
        <label for={id}>{label}</label>
        {children(tied)}
      </>}
      {help && <p class="help" id={`${id}-help`}><Rich text={help} /></p>}
      <p class="error" id={`${id}-error`} role="alert">{error && <Rich text={error} />}</p>
    </div>
  );
}
