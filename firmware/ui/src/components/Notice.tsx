// What a person must read: a notice in the page, and a toast that goes by itself.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { told } from "../api";
import { sentence } from "../words";
import { Rich } from "./Rich";

export type Mood = "info" | "good" | "warning" | "bad";

export function Notice({ mood = "info", children }: { mood?: Mood; children: ComponentChildren }) {
  return <div class="notice" data-mood={mood} role={mood === "bad" ? "alert" : undefined}>{children}</div>;
}

/** An error's words: what happened, and what to do. */
export function ErrorNotice({ error }: { error: unknown }) {
  const { what, do: advice } = told(error);
  return (
    <Notice mood="bad">
      <strong><Rich text={sentence(what)} /></strong>
      {advice && <> <Rich text={sentence(advice)} /></>}
    </Notice>
  );
}

const SHOWN_MS = 6000;
const toasts = signal<readonly { id: number; mood: Mood; text: string }[]>([]);
let next = 0;

/** Says something for some seconds, also to screen readers. */
export function toast(text: string, mood: Mood = "good"): void {
  const id = next++;
  toasts.value = [...toasts.value.slice(-2), { id, mood, text }];
  setTimeout(() => {
    toasts.value = toasts.value.filter((one) => one.id !== id);
  }, SHOWN_MS);
}

/** Says what went wrong. */
export function toastError(error: unknown): void {
  const { what, do: advice } = told(error);
  toast(`${sentence(what)} ${sentence(advice)}`.trim(), "bad");
}

export function Toasts() {
  return (
    <div class="toasts" role="status">
      {toasts.value.map((one) => <p key={one.id} class="toast" data-mood={one.mood}><Rich text={one.text} /></p>)}
    </div>
  );
}
