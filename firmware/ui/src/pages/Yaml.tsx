// pulsebox.yaml as text: checked while one types, saved only over the version that was read.
import { useEffect, useState } from "preact/hooks";
import { ApiError, call, getText } from "../api";
import { Button, Confirm, ErrorNotice, LinkButton, Notice, Rich, toast } from "../components";
import { CodeArea } from "../forms/CodeArea";
import "../forms/forms.css";
import { useGuard } from "../forms/useGuard";
import { useYamlCheck } from "../forms/useYamlCheck";
import { to } from "../router";
import { want } from "../store";
import type { Problem } from "../types";
import { sentence } from "../words";

interface Loaded {
  text: string;
  etag: string | null;
}

export function Yaml() {
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [text, setText] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [saving, setSaving] = useState(false);
  const [reloading, setReloading] = useState(false);
  const [jump, setJump] = useState<{ line: number; column: number } | null>(null);
  const check = useYamlCheck(text);
  const changed = loaded !== null && text !== loaded.text;
  useGuard(changed);

  const load = async () => {
    try {
      const now = await getText("api/config", "text/yaml");
      setLoaded(now);
      setText(now.text);
      setError(null);
    } catch (wrong) {
      setError(wrong);
    }
    setReloading(false);
  };
  useEffect(() => void load(), []);

  const save = async (overwrite: boolean) => {
    if (text === null || saving) return;
    setSaving(true);
    setError(null);
    try {
      const headers: Record<string, string> = overwrite || loaded?.etag == null ? {} : { "if-match": loaded.etag };
      await call("PUT", "api/config", text, { type: "text/yaml", headers });
      toast("Saved. It is in force now.");
      await load();
      want();
    } catch (wrong) {
      setError(wrong);
      const first = wrong instanceof ApiError ? wrong.problems[0] : undefined;
      if (first) setJump(place(first));
    } finally {
      setSaving(false);
    }
  };

  const conflict = error instanceof ApiError && error.status === 412;
  // What the box said on saving holds until the text is checked again.
  const problems = error instanceof ApiError && error.problems.length > 0 && !check.fresh ? error.problems : check.problems;
  return (
    <div class="page yaml">
      <div class="head"><LinkButton look="quiet" icon="back" href={to.settings()} label="Back to the settings" /><h1>pulsebox.yaml</h1></div>
      <p class="soft small">Every secret is shown as <code>***</code>; left so, it stays as it is. Tab indents; Escape, then Tab leaves the text.</p>
      {conflict && <Notice mood="warning">
        <p><strong>The file was changed meanwhile</strong>, on another page or by hand. Reload to see it as it is now (what you changed here is lost), or overwrite it with yours.</p>
        <div class="actions">
          <Button onClick={() => setReloading(true)}>Reload</Button>
          <Button look="danger" busy={saving} onClick={() => void save(true)}>Overwrite with mine</Button>
        </div>
      </Notice>}
      {error !== null && !conflict && !(error instanceof ApiError && error.problems.length > 0) && <ErrorNotice error={error} />}
      {text === null ? error === null && <p class="soft">Loading …</p> : <>
        <CodeArea label="pulsebox.yaml" value={text} onValue={setText} problems={problems} jump={jump} onSave={() => void save(false)} />
        <ProblemList problems={problems} onJump={(problem) => setJump(place(problem))} />
        <div class="actions bar">
          <Button look="main" busy={saving} disabled={!changed} onClick={() => void save(false)}>Save</Button>
          {changed && <Button onClick={() => setReloading(true)}>Undo all</Button>}
          <p class="soft small" role="status">{verdict(check.fresh, check.error, problems.length, check.cameras)}</p>
        </div>
      </>}
      {reloading && (
        <Confirm title="Drop your changes?" deed="Drop them" onConfirm={() => void load()} onClose={() => setReloading(false)}>
          <p>The text becomes what is in the file now.</p>
        </Confirm>)}
    </div>
  );
}

function place({ line, column }: Problem): { line: number; column: number } {
  return { line: line ?? 1, column: column ?? 1 };
}

function verdict(fresh: boolean, error: unknown, problems: number, cameras: number): string {
  if (!fresh) return "Checking …";
  if (error !== null) return "It could not be checked; saving checks it again.";
  if (problems > 0) return `${problems} ${problems === 1 ? "problem" : "problems"}. With one it is not saved.`;
  return `Without fault: ${cameras} ${cameras === 1 ? "camera" : "cameras"}.`;
}

function ProblemList({ problems, onJump }: { problems: readonly Problem[]; onJump: (problem: Problem) => void }) {
  if (problems.length === 0) return null;
  return (
    <ol class="problems" aria-label="Problems">
      {problems.map((problem, i) => (
        <li key={i}>
          <button type="button" onClick={() => onJump(problem)}>
            <span class="at">Line {problem.line ?? "?"}</span>
            <span><strong><Rich text={sentence(problem.what)} /></strong> <Rich text={sentence(problem.do)} /></span>
          </button>
        </li>
      ))}
    </ol>
  );
}
