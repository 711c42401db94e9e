// The first visit: the box belongs to nobody yet, and who sets its password has it.
import { useState } from "preact/hooks";
import { ApiError, get, send } from "../api";
import { Button, Checkbox, ErrorNotice, toast, toastError } from "../components";
import "../forms/forms.css";
import { valueAt, type Tree } from "../forms/keys";
import { NewPassword, refused, UserName } from "../forms/NewPassword";
import { browserZone } from "../forms/zones";
import { refreshSession, session } from "../session";

export function Claim() {
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [wrong, setWrong] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const zone = browserZone();
  const [takeZone, setTakeZone] = useState(true);

  const claim = async (event: Event) => {
    event.preventDefault();
    const reason = refused(first, second);
    setWrong(reason);
    setError(null);
    if (reason !== null || busy) return;
    setBusy(true);
    try {
      await send("POST", "api/claim", { password: first });
      if (zone !== null && takeZone) await proposeZone(zone).catch(toastError);
      await refreshSession();
    } catch (failed) {
      if (failed instanceof ApiError && failed.status === 409) toast("Somebody else has just set this box’s password: sign in with theirs.", "warning");
      setError(failed);
      // Somebody else may have been faster: then it is their password that opens it.
      await refreshSession().catch(() => {});
    } finally {
      setBusy(false);
    }
  };

  return (
    <form class="card" onSubmit={claim} noValidate>
      <h1>Welcome to Pulsebox</h1>
      <p>This box{session.value?.name ? <> (<bdi>{session.value.name}</bdi>)</> : null} is new. Set its password: whoever has it can see every
        camera and change everything here.</p>
      <p class="soft">It also seals your backups. It cannot be read back from the box, so keep it well.</p>
      {error !== null && <ErrorNotice error={error} />}
      <UserName />
      <NewPassword label="Password" help="8 characters or more, whatever you like." first={first} second={second}
        onFirst={setFirst} onSecond={setSecond} error={wrong} />
      {zone !== null && (
        <Checkbox label={`Set the box’s time zone to ${zone}`} checked={takeZone} onValue={setTakeZone}
          help="Your browser’s. Days begin at its midnight, quiet hours are told in it. A zone that the file gives stays." />)}
      <div class="actions"><Button type="submit" look="main" busy={busy}>Set the password and begin</Button></div>
    </form>
  );
}

/** The browser's zone for a box that has none of its own. */
async function proposeZone(zone: string): Promise<void> {
  const settings = await get<Tree>("api/settings");
  if (valueAt(settings, "timezone") == null) await send("PATCH", "api/settings", { timezone: zone });
}
