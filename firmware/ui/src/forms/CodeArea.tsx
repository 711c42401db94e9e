// A plain text area with line numbers beside it and marks at the lines that are wrong. Nothing is coloured or completed:
// the browser's own editing, undo and screen reader support stay whole.
import { useEffect, useId, useMemo, useRef } from "preact/hooks";
import type { Problem } from "../types";

/** As in forms.css. */
const LINE_PX = 21;
const INDENT = "  ";

export interface CodeAreaProps {
  label: string;
  value: string;
  onValue: (text: string) => void;
  problems: readonly Problem[];
  /** Goes there whenever `at` is a new object; line and column from 1. */
  jump: { line: number; column: number } | null;
  onSave: () => void;
}

export function CodeArea({ label, value, onValue, problems, jump, onSave }: CodeAreaProps) {
  const id = useId();
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLDivElement>(null);
  /** Escape was pressed: the next Tab leaves. */
  const leaving = useRef(false);
  const lines = value.split("\n").length;
  const wrong = problems.map(({ line }) => line).join();

  useEffect(() => {
    if (jump !== null && area.current) goTo(area.current, jump.line, jump.column);
  }, [jump]);

  const numbers = useMemo(() => {
    const marked = new Set(problems.map(({ line }) => line));
    return Array.from({ length: lines }, (_, i) => <div key={i} data-wrong={marked.has(i + 1) || undefined}>{i + 1}</div>);
  }, [lines, wrong]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onSave();
    } else if (event.key === "Tab" && !event.shiftKey && !leaving.current) {
      event.preventDefault();
      // The one way that keeps the browser's undo.
      document.execCommand("insertText", false, INDENT);
    }
    leaving.current = event.key === "Escape";
  };

  return (
    <div class="code" data-wrong={problems.length > 0 || undefined}>
      <label class="unseen" for={id}>{label}</label>
      <div class="gutter" ref={gutter} aria-hidden="true">{numbers}</div>
      <textarea id={id} ref={area} value={value} wrap="off" spellcheck={false} autocapitalize="off" autocomplete="off"
        aria-describedby={`${id}-hint`} aria-invalid={problems.length > 0 ? "true" : undefined}
        onInput={(event) => onValue(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onBlur={() => (leaving.current = false)}
        onScroll={(event) => gutter.current && (gutter.current.scrollTop = event.currentTarget.scrollTop)} />
      <p class="unseen" id={`${id}-hint`}>Tab indents by two spaces. To leave with Tab, press Escape first.</p>
    </div>
  );
}

function goTo(area: HTMLTextAreaElement, line: number, column: number): void {
  const before = area.value.split("\n").slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  const end = area.value.indexOf("\n", before);
  const last = end < 0 ? area.value.length : end;
  area.focus();
  area.setSelectionRange(Math.min(before + column - 1, last), last);
  area.scrollTop = Math.max(0, (line - 4) * LINE_PX);
  area.scrollLeft = 0;
}
