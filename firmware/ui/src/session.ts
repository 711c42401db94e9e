// Who we are to the box: the gate in front of everything.
import { signal } from "@preact/signals";
import { get, send, whenRefused } from "./api";
import type { Session } from "./types";

/** Null until the box has told. */
export const session = signal<Session | null>(null);
/** True once somebody was signed in here and is not any more: the gate says so. */
export const expired = signal(false);

export const isAdmin = () => session.value?.scope === "admin";

let asking: Promise<void> | null = null;

/** Asks the box who we are; calls in between are one. Throws where it does not answer. */
export function refreshSession(): Promise<void> {
  asking ??= get<Session>("api/session")
    .then((now) => {
      if (session.value?.signed_in && !now.signed_in) expired.value = true;
      if (now.signed_in) expired.value = false;
      session.value = now;
    })
    .finally(() => {
      asking = null;
    });
  return asking;
}

export async function signOut(): Promise<void> {
  await send("DELETE", "api/session");
  if (session.value) session.value = { ...session.value, signed_in: false, scope: null };
  expired.value = false;
}

whenRefused(() => {
  refreshSession().catch(() => {});
});
