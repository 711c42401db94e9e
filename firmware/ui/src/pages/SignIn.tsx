// Sign in. The address stays as it is, so that who was signed out is back where they were.
import { useEffect, useState } from "preact/hooks";
import { ApiError, send } from "../api";
import { Button, ErrorNotice, Notice } from "../components";
import "../forms/forms.css";
import { UserName } from "../forms/NewPassword";
import { PasswordField } from "../forms/Secret";
import { expired, refreshSession, session } from "../session";
import { span, sentence } from "../words";

/** Where the box does not say how long. */
const WAIT_SECONDS = 30;

export function SignIn() {
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const wait = useCountdown();

  const signIn = async (event: Event) => {
    event.preventDefault();
    if (busy || wait.left > 0) return;
    setBusy(true);
    setError(null);
    try {
      await send("POST", "api/session", { password });
      await refreshSession();
    } catch (failed) {
      setError(failed);
      setPassword("");
      if (failed instanceof ApiError && failed.status === 429) wait.start(failed.retry_after ?? WAIT_SECONDS);
    } finally {
      setBusy(false);
    }
  };

  const status = error instanceof ApiError ? error.status : null;
  const wrong = status === 401 && error instanceof ApiError ? `${sentence(error.what)} ${sentence(error.do)}`.trim() : null;
  return (
    <form class="card" onSubmit={signIn} noValidate>
      <h1>Sign in{session.value?.name ? <> to <bdi>{session.value.name}</bdi></> : null}</h1>
      {expired.value && error === null && <Notice>Your sign-in has ended. Sign in again and you are back where you were.</Notice>}
      {status === 429 && (
        <Notice mood="warning">{wait.left > 0
          ? `Too many attempts. Wait ${span(wait.left * 1000)}, then try again.`
          : "Now you may try again."}</Notice>)}
      {error !== null && status !== 401 && status !== 429 && <ErrorNotice error={error} />}
      <UserName />
      <PasswordField label="Password" value={password} onValue={setPassword} autocomplete="current-password" error={wrong} focus />
      <div class="actions"><Button type="submit" look="main" busy={busy} disabled={wait.left > 0}>Sign in</Button></div>
    </form>
  );
}

/** Whole seconds down to 0. */
function useCountdown(): { left: number; start: (seconds: number) => void } {
  const [until, setUntil] = useState(0);
  const [left, setLeft] = useState(0);
  useEffect(() => {
    if (until === 0) return;
    const tell = () => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1000)));
    tell();
    const timer = setInterval(tell, 250);
    return () => clearInterval(timer);
  }, [until]);
  return { left, start: (seconds) => setUntil(Date.now() + seconds * 1000) };
}
