// One group of the file's settings as a form. Only what differs is sent, by dotted key.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError, send } from "../api";
import { Button, ErrorNotice, Notice, Rich, toast } from "../components";
import { useDraft, type Draft } from "../forms/draft";
import { KeyField } from "../forms/KeyField";
import { KeyForm } from "../forms/KeyForm";
import { childrenOf, otherProblems, problemsOf, problemText, type Tree } from "../forms/keys";
import { useFirstWrong } from "../forms/useFirstWrong";
import { useGuard } from "../forms/useGuard";
import type { Problem, SettingKey } from "../types";

/** Groups that the file may give and this version only keeps (README, "What it does not do yet"). */
const NOT_ACTED_ON = new Set(["mediamtx"]);

export interface SettingsFormProps {
  title: string;
  /** Empty: the single settings at the top of the file. */
  path: string;
  keys: readonly SettingKey[];
  settings: Tree;
  onSaved: (settings: Tree) => void;
  /** What to say then. */
  done?: string;
  /** What a group has of its own. */
  parts?: {
    /** Instead of all its keys in their order. */
    fields: (draft: Draft, problems: readonly Problem[]) => ComponentChildren;
    /** Between the fields and the buttons. */
    below: (draft: Draft) => ComponentChildren;
    /** Beside "Save". */
    button: (draft: Draft) => ComponentChildren;
    /** What else was refused, with its problems. */
    error: unknown;
    /** The settings are being saved, or changes undone. */
    onLeave: () => void;
  };
}

export function SettingsForm({ title, path, keys, settings, onSaved, done = "Saved.", parts }: SettingsFormProps) {
  const draft = useDraft(settings);
  const [refused, setError] = useState<unknown>(null);
  const error = refused ?? parts?.error ?? null;
  const top = useFirstWrong(error);
  const [saving, setSaving] = useState(false);
  useGuard(draft.changed);
  const problems: readonly Problem[] = error instanceof ApiError ? error.problems : [];
  const group = keys.find((key) => key.path === path);

  const save = async (event: Event) => {
    event.preventDefault();
    if (saving || !draft.changed) return;
    setError(null);
    parts?.onLeave();
    setSaving(true);
    try {
      const now = await send<Tree>("PATCH", "api/settings", draft.changes);
      onSaved(now);
      toast(done);
    } catch (wrong) {
      setError(wrong);
      setSaving(false);
    }
  };

  return (
    <form class="card" ref={top} noValidate onSubmit={save}>
      <h2>{title}</h2>
      {group && group.kind === "section" && <p class="soft"><Rich text={group.about} /></p>}
      {NOT_ACTED_ON.has(path) && <Notice mood="warning">Kept and checked, but not acted on yet: this version does nothing with it.</Notice>}
      <Unplaced error={error} problems={otherProblems(problems, keys.filter((key) => key.path.startsWith(path)).map((key) => key.path))} />
      {parts ? parts.fields(draft, problems) : <Fields path={path} keys={keys} group={group} draft={draft} problems={problems} />}
      {parts?.below(draft)}
      <div class="actions bar">
        <Button look="main" type="submit" busy={saving} disabled={!draft.changed}>Save</Button>
        {parts?.button(draft)}
        {draft.changed && <Button onClick={() => {
          draft.reset();
          setError(null);
          parts?.onLeave();
        }}>Undo changes</Button>}
      </div>
    </form>
  );
}

function Fields({ path, keys, group, draft, problems }: {
  path: string; keys: readonly SettingKey[]; group: SettingKey | undefined; draft: Draft; problems: readonly Problem[];
}) {
  if (path === "") {
    return <>{childrenOf(keys, "").filter(({ kind }) => kind !== "section" && kind !== "list").map((key) => (
      <KeyField key={key.path} of={key} value={draft.value(key.path)} onChange={(value) => draft.set(key.path, value)} problems={problemsOf(problems, key.path)} />
    ))}</>;
  }
  // A list is a field of the top of the file; everything beside it is left out.
  if (group?.kind === "list") return <KeyForm keys={keys} path="" only={path} values={draft} problems={problems} />;
  return <KeyForm keys={keys} path={path} values={draft} problems={problems} />;
}

/** What went wrong that belongs to no field of this form. */
function Unplaced({ error, problems }: { error: unknown; problems: readonly Problem[] }) {
  if (error === null) return null;
  const all = error instanceof ApiError ? error.problems : [];
  if (all.length === 0) return <ErrorNotice error={error} />;
  if (problems.length === 0) return null;
  return <Notice mood="bad"><Rich text={problemText(problems) ?? ""} /></Notice>;
}
