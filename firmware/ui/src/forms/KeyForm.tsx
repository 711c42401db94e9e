// All keys of one group as fields, with the groups and lists below it: one generator for every form of the page.
import { useId } from "preact/hooks";
import { Button, Rich } from "../components";
import type { Problem, SettingKey } from "../types";
import type { Draft } from "./draft";
import { KeyField } from "./KeyField";
import { childrenOf, label, problemsOf, problemText, valueAt, type Tree, type Value } from "./keys";

/** Where values come from and go to; a draft, or one row of a list. */
export type Values = Pick<Draft, "value" | "set">;

export interface KeyFormProps {
  keys: readonly SettingKey[];
  /** The group's own key; empty for the top of the file. */
  path: string;
  values: Values;
  problems: readonly Problem[];
  /** The one key to show of the group. */
  only?: string;
  /** What to leave out, by whole path. */
  omit?: readonly string[];
  /** Cut off a key's path to get its value's: a camera's values begin below `streams[]`. */
  base?: string;
}

/** The fields of a group. */
export function KeyForm(props: KeyFormProps) {
  const { keys, path, only, omit = [] } = props;
  const shown = childrenOf(keys, path).filter((key) => !omit.includes(key.path) && (only === undefined || key.path === only));
  return <>{shown.map((key) => <Row key={key.path} {...props} of={key} />)}</>;
}

function Row({ of: key, ...props }: KeyFormProps & { of: SettingKey }) {
  const { values, problems, base = "" } = props;
  const at = key.path.slice(base.length);
  if (key.kind === "section") {
    return (
      <fieldset class="group">
        <legend>{label(key.path)}</legend>
        <p class="help"><Rich text={key.about} /></p>
        <KeyForm {...props} path={key.path} />
      </fieldset>
    );
  }
  if (key.kind === "list") return <ListField {...props} of={key} at={at} />;
  return <KeyField of={key} value={values.value(at)} onChange={(value) => values.set(at, value)} problems={problemsOf(problems, at)} />;
}

/** A list of groups: rows to fill in, add and take out. The whole list is one value. */
function ListField({ of: key, at, keys, values, problems, only }: KeyFormProps & { of: SettingKey; at: string }) {
  const id = useId();
  const given = values.value(at);
  const rows: Tree[] = Array.isArray(given) ? given.filter(isTree) : [];
  const put = (next: Tree[]) => values.set(at, next.length === 0 ? null : next);
  const own = problemsOf(problems, at);
  const inside = (
    <>
      <p class="help" id={`${id}-about`}><Rich text={key.about} /></p>
      <p class="error" role="alert">{own.length > 0 && <Rich text={problemText(own) ?? ""} />}</p>
      {rows.map((row, i) => (
        <fieldset class="group" key={i}>
          <legend>{typeof row["name"] === "string" && row["name"] !== "" ? row["name"] : `No. ${i + 1}`}</legend>
          <KeyForm keys={keys} path={`${key.path}[]`} base={`${key.path}[].`}
            values={rowValues(row, (next) => put(rows.map((other, j) => (j === i ? next : other))))}
            problems={problems.flatMap((problem) => inRow(problem, at, i))} />
          <Button look="danger" icon="remove" onClick={() => put(rows.filter((_, j) => j !== i))}>Take out</Button>
        </fieldset>
      ))}
      <Button icon="add" onClick={() => put([...rows, {}])}>Add one</Button>
    </>
  );
  // Alone on its page, the page's heading names it.
  if (only !== undefined) return <div role="group" aria-label={label(key.path)} aria-describedby={`${id}-about`}>{inside}</div>;
  return <fieldset class="group" aria-describedby={`${id}-about`}><legend>{label(key.path)}</legend>{inside}</fieldset>;
}

function rowValues(row: Tree, put: (row: Tree) => void): Values {
  return {
    value: (path) => valueAt(row, path),
    set: (path, value) => {
      const { [path]: _, ...rest } = row;
      put(value === null ? rest : { ...row, [path]: value });
    },
  };
}

/** A problem of `mediamtx[2].url` as row 2 knows it. */
function inRow(problem: Problem, path: string, row: number): Problem[] {
  const start = `${path}[${row}].`;
  return problem.key?.startsWith(start) ? [{ ...problem, key: problem.key.slice(start.length) }] : [];
}

function isTree(value: Value): value is Tree {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
