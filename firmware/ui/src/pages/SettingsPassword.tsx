// A new sign-in password.
import { useState } from "preact/hooks";
import { ApiError, send } from "../api";
import { Button, ErrorNotice, Notice, toast } from "../components";
import { NewPassword, refused, UserName } from "../forms/NewPassword";
import { PasswordField } from "../forms/Secret";
import { useGuard } from "../forms/useGuard";
import { span, sentence } from "../words";

export function Password() {
  const [current, setCurrent] = useState("");
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const [wrong, setWrong] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  useGuard(first !== "");

  const change = async (event: Event) => {
    event.preventDefault();
    const reason = refused(first, second);
    setWrong(reason);
    setError(null);
    if (reason !== null || busy) return;
    setBusy(true);
    try {
      await send("PUT", "api/password", { current, new: first });
      setCurrent("");
      setFirst("");
      setSecond("");
      toast("The password is changed. Everybody else is signed out.");
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };

  const denied = error instanceof ApiError && error.status === 401 ? `${sentence(error.what)} ${sentence(error.do)}`.trim() : null;
  const late = error instanceof ApiError && error.status === 429 ? error.retry_after : null;
  return (
    <form class="card" onSubmit={change} noValidate>
      <h2>Password</h2>
      <p class="soft">One password opens this page. Changing it ends every other sign-in; tokens stay. Old backups stay sealed with the password they were made with.</p>
      {error !== null && denied === null && late === null && <ErrorNotice error={error} />}
      {late !== null && <Notice mood="warning">Too many attempts. Wait {span(late * 1000)}, then try again.</Notice>}
      <UserName />
      <PasswordField label="Current password" value={current} onValue={setCurrent} autocomplete="current-password" error={denied} />
      <NewPassword label="New password" help="8 characters or more, whatever you like." first={first} second={second} onFirst={setFirst} onSecond={setSecond} error={wrong} />
      <div class="actions bar"><Button type="submit" look="main" busy={busy} disabled={current === "" || first === ""}>Change the password</Button></div>
    </form>
  );
}
