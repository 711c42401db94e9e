// One key as a field, made from what the daemon tells of it: help, unit, range and default are its own words.
import { useState } from "preact/hooks";
import { Button, Checkbox, Field, Select } from "../components";
import type { Problem, SettingKey } from "../types";
import { Around } from "./Around";
import { defaultOf, helpOf, label, problemText, shown, typed, type Value } from "./keys";
import { SecretField } from "./Secret";
import { browserZone, zones } from "./zones";

export interface KeyFieldProps {
  of: SettingKey;
  /** What is given now; undefined or null: nothing, the default holds. */
  value: Value | undefined;
  onChange: (value: Value) => void;
  problems: readonly Problem[];
}

/** A key's field with its help and its problems tied to it. */
export function KeyField({ of: key, value, onChange, problems }: KeyFieldProps) {
  const around = { label: `${label(key.path)}${key.required ? " (needed)" : ""}`, help: helpOf(key), error: problemText(problems) };
  const usual = defaultOf(key);
  switch (key.kind) {
    case "bool":
      return <Checkbox {...around} checked={typeof value === "boolean" ? value : usual === "true"} onValue={onChange} />;
    case "choice": {
      const choices = (key.choices ?? []).filter((choice) => choice !== usual || value === choice);
      const none = { value: "", text: usual === "" ? "Not set" : `${usual} (default)` };
      return <Select {...around} value={shown(value)} onValue={(text) => onChange(text === "" ? null : text)}
        options={[none, ...choices.map((choice) => ({ value: choice, text: choice }))]} />;
    }
    case "secret":
      return <SecretField {...around} value={value} onChange={onChange} />;
    case "hours":
      return <Hours {...around} value={shown(value)} onChange={onChange} />;
    case "zone":
      return <Zone {...around} value={shown(value)} usual={usual} onChange={onChange} />;
    case "texts":
      return <Lines {...around} value={value} onChange={onChange} />;
    default:
      return <Line {...around} of={key} value={value} onChange={onChange} />;
  }
}

interface Given<V> {
  label: string;
  help: string;
  error: string | null;
  value: V;
  onChange: (value: Value) => void;
}

/** One line. Keeps the text as it is typed: `1.` on the way to `1.5` must not be turned into `1`. */
function Line({ of: key, value, onChange, ...around }: Given<Value | undefined> & { of: SettingKey }) {
  const [text, setText] = useState<string | null>(null);
  const same = text !== null && JSON.stringify(typed(key.kind, text)) === JSON.stringify(value ?? null);
  const number = key.kind === "whole" || key.kind === "decimal";
  return (
    <Field {...around} value={same ? text : shown(value)} placeholder={defaultOf(key)} autocomplete="off"
      inputMode={key.kind === "whole" ? "numeric" : key.kind === "decimal" ? "decimal" : key.kind.endsWith("_url") ? "url" : "text"}
      unit={number && key.unit ? key.unit : undefined}
      onValue={(now) => {
        setText(now);
        onChange(typed(key.kind, now));
      }} />
  );
}

/** A list of words, one a line; an empty last line may stand while the next one is typed. */
function Lines({ value, onChange, ...around }: Given<Value | undefined>) {
  const [text, setText] = useState<string | null>(null);
  const same = text !== null && JSON.stringify(typed("texts", text)) === JSON.stringify(value ?? null);
  return (
    <Around {...around}>{(tied) => (
      <textarea {...tied} rows={3} spellcheck={false} autocapitalize="off" placeholder="One a line" value={same ? text : shown(value)}
        onInput={(event) => {
          setText(event.currentTarget.value);
          onChange(typed("texts", event.currentTarget.value));
        }} />)}
    </Around>
  );
}

/** `22:00-07:00` as two times. Half of it stays `22:00-` while the other half is typed; the daemon refuses that. */
function Hours({ value, onChange, ...around }: Given<string>) {
  const [from = "", to = ""] = value.split("-");
  const put = (first: string, second: string) => onChange(first === "" && second === "" ? null : `${first}-${second}`);
  return (
    <Around {...around} group>{() => (
      <span class="hours">
        <input type="time" aria-label="From" value={from} onInput={(event) => put(event.currentTarget.value, to)} />
        <span aria-hidden="true">to</span>
        <input type="time" aria-label="To" value={to} onInput={(event) => put(from, event.currentTarget.value)} />
        {value !== "" && <Button look="quiet" onClick={() => onChange(null)}>None</Button>}
      </span>)}
    </Around>
  );
}

function Zone({ value, usual, onChange, ...around }: Given<string> & { usual: string }) {
  const here = browserZone();
  return (
    <Around {...around}>{(tied) => (
      <>
        <input {...tied} type="text" list={`${tied.id}-zones`} value={value} placeholder={usual} spellcheck={false} autocomplete="off"
          onInput={(event) => onChange(typed("zone", event.currentTarget.value))} />
        <datalist id={`${tied.id}-zones`}>{zones().map((zone) => <option key={zone} value={zone} />)}</datalist>
        {here !== null && here !== value && (
          <Button look="quiet" onClick={() => onChange(here)}>Use this browser’s: {here}</Button>)}
      </>)}
    </Around>
  );
}
