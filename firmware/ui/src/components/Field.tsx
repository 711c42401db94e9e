// One input with its label, its help and what is wrong with it, tied together for screen readers.
import type { LooseInputHTMLAttributes, ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";
import { Rich } from "./Rich";

interface Common {
  label: string;
  /** Plain words under the input; `code` between backticks. */
  help?: string | undefined;
  /** What is wrong, in the box's words; shown and announced. */
  error?: string | null | undefined;
}

function Around({ id, label, help, error, children }: Common & { id: string; children: ComponentChildren }) {
  return (
    <div class={error ? "field wrong" : "field"}>
      <label for={id}>{label}</label>
      {children}
      {help && <p class="help" id={`${id}-help`}><Rich text={help} /></p>}
      <p class="error" id={`${id}-error`} role="alert">{error && <Rich text={error} />}</p>
    </div>
  );
}

const describedBy = (id: string, { help, error }: Common) =>
  [error && `${id}-error`, help && `${id}-help`].filter(Boolean).join(" ") || undefined;

/** What of an <input> may be set from outside. */
type Attributes = Pick<LooseInputHTMLAttributes<HTMLInputElement>,
  "name" | "placeholder" | "autocomplete" | "inputMode" | "min" | "max" | "step" | "required" | "disabled" | "readOnly" | "maxLength" | "minLength" | "pattern" | "onBlur" | "onKeyDown" | "onPaste" | "autofocus">;

type InputProps = Common & Attributes & {
  id?: string;
  /** The id of a <datalist> with proposals. */
  list?: string;
  type?: "text" | "password" | "url" | "number" | "search" | "time" | "datetime-local" | "email";
  value: string;
  onValue: (value: string) => void;
  /** Shown after the input, for instance `s`. */
  unit?: string | undefined;
};

export function Field({ label, help, error, value, onValue, unit, id, type = "text", ...rest }: InputProps) {
  const made = useId();
  const own = id ?? made;
  const attributes = { ...rest, type } as JSX.IntrinsicElements["input"];
  const input = (
    <input
      autocapitalize="off"
      autocorrect="off"
      spellcheck={false}
      {...attributes}
      id={own}
      value={value}
      aria-invalid={error ? "true" : undefined}
      aria-describedby={describedBy(own, { label, help, error })}
      onInput={(event) => onValue(event.currentTarget.value)}
    />
  );
  return (
    <Around id={own} label={label} help={help} error={error}>
      {unit ? <span class="with-unit">{input}<span>{unit}</span></span> : input}
    </Around>
  );
}

type SelectProps = Common & {
  value: string;
  onValue: (value: string) => void;
  options: readonly { value: string; text: string }[];
  disabled?: boolean;
  id?: string;
};

export function Select({ label, help, error, value, onValue, options, disabled, id }: SelectProps) {
  const made = useId();
  const own = id ?? made;
  return (
    <Around id={own} label={label} help={help} error={error}>
      <select
        id={own}
        disabled={disabled}
        aria-invalid={error ? "true" : undefined}
        aria-describedby={describedBy(own, { label, help, error })}
        onChange={(event) => onValue(event.currentTarget.value)}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value} selected={option.value === value}>{option.text}</option>
        ))}
      </select>
    </Around>
  );
}

type CheckboxProps = Common & { checked: boolean; onValue: (checked: boolean) => void; disabled?: boolean; id?: string };

export function Checkbox({ label, help, error, checked, onValue, disabled, id }: CheckboxProps) {
  const made = useId();
  const own = id ?? made;
  return (
    <div class={error ? "field check wrong" : "field check"}>
      <label for={own}>
        <input
          id={own}
          type="checkbox"
          checked={checked}
          disabled={disabled}
          aria-describedby={describedBy(own, { label, help, error })}
          onChange={(event) => onValue(event.currentTarget.checked)}
        />
        <span>{label}</span>
      </label>
      {help && <p class="help" id={`${own}-help`}><Rich text={help} /></p>}
      <p class="error" id={`${own}-error`} role="alert">{error && <Rich text={error} />}</p>
    </div>
  );
}
