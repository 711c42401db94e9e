// Passwords: one that the box keeps and never shows (`***` stands for it), and one that is typed here.
import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "../components";
import { Around, type Tied } from "./Around";
import type { Value } from "./keys";

/** What the API writes where a secret is. */
export const KEPT = "***";

interface SecretProps {
  label: string;
  help?: string | undefined;
  error?: string | null | undefined;
  value: Value | undefined;
  onChange: (value: Value) => void;
}

/** A secret in the file: it can be changed or removed, not read. */
export function SecretField({ value, onChange, ...around }: SecretProps) {
  const [kept] = useState(value === KEPT);
  const [changing, setChanging] = useState(false);
  useEffect(() => {
    if (around.error) setChanging(true); // what is to be done about it is typing it
  }, [around.error]);
  const removing = value === null || value === undefined;
  if (kept && !changing && !around.error) {
    return (
      <Around {...around} group>{() => (
        <span class="kept">
          <span class="soft">{removing ? "Will be removed when you save." : "Kept."}</span>
          {removing ? <Button look="quiet" onClick={() => onChange(KEPT)}>Keep it</Button> : <>
            <Button look="quiet" onClick={() => setChanging(true)}>Change<span class="unseen"> {around.label}</span></Button>
            <Button look="quiet" onClick={() => onChange(null)}>Remove<span class="unseen"> {around.label}</span></Button>
          </>}
        </span>)}
      </Around>
    );
  }
  // Nothing typed changes nothing: an empty field must not blank a password that works.
  return (
    <>
      <PasswordField {...around} value={typeof value === "string" && value !== KEPT ? value : ""} autocomplete="off"
        onValue={(text) => onChange(text === "" ? (kept ? KEPT : null) : text)} />
      {kept && <Button look="quiet" onClick={() => {
        setChanging(false);
        onChange(KEPT);
      }}>Keep the old one</Button>}
    </>
  );
}

export interface PasswordProps {
  label: string;
  help?: string | undefined;
  error?: string | null | undefined;
  value: string;
  onValue: (text: string) => void;
  /** For the browser's store of passwords. */
  autocomplete: "current-password" | "new-password" | "off";
  disabled?: boolean;
  /** Takes the focus when it is first shown. */
  focus?: boolean;
}

/** A password with a button that shows what is typed. */
export function PasswordField({ label, help, error, ...input }: PasswordProps) {
  return <Around label={label} help={help} error={error}>{(tied) => <PasswordInput {...input} tied={tied} />}</Around>;
}

function PasswordInput({ value, onValue, autocomplete, disabled, focus = false, tied }: Omit<PasswordProps, "label"> & { tied: Tied }) {
  const [plain, setPlain] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (focus) input.current?.focus();
  }, []);
  return (
    <span class="password">
      <input {...tied} ref={input} type={(plain ? "text" : "password") as "text"} value={value} autocomplete={autocomplete} autocapitalize="off" autocorrect="off"
        spellcheck={false} disabled={disabled} onInput={(event) => onValue(event.currentTarget.value)} />
      <Button aria-pressed={plain} aria-controls={tied.id} label={plain ? "Hide the password" : "Show the password"}
        onClick={() => setPlain(!plain)}>{plain ? "Hide" : "Show"}</Button>
    </span>
  );
}
