// For how long a camera is not to be watched.
import { useState } from "preact/hooks";
import { part, send } from "../api";
import { Button, Dialog, ErrorNotice, Field, toast } from "../components";
import { take } from "../store";
import type { CameraDetail, CameraView } from "../types";
import { boxNow, exact } from "../words";

/** The next day's 8:00 by this browser's clock. */
function tomorrowMorning(): Date {
  const at = new Date(boxNow());
  at.setDate(at.getDate() + 1);
  at.setHours(8, 0, 0, 0);
  return at;
}

/** What an <input type="datetime-local"> holds. */
function localText(at: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

type Pause = { paused: boolean | null; paused_until: string | null };

/** Stops or takes up the watching of a camera; says so. */
export async function setPause(camera: CameraView, pause: Pause): Promise<void> {
  take(await send<CameraDetail>("PATCH", `api/streams/${part(camera.id)}`, pause));
  toast(pause.paused_until ? `Paused until ${exact(pause.paused_until)}.` : pause.paused ? "Paused." : "Watched again.");
}

export const resume = (camera: CameraView) => setPause(camera, { paused: null, paused_until: null });

export function PauseDialog({ camera, onClose }: { camera: CameraView; onClose: () => void }) {
  const [until, setUntil] = useState(() => localText(new Date(boxNow() + 4 * 3_600_000)));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const chosen = new Date(until);
  const wrong = Number.isNaN(chosen.getTime()) ? "Choose a date and a time." : chosen.getTime() <= boxNow() ? "This time has passed: choose a later one." : null;
  const pause = (at: Date | null) => {
    setBusy(true);
    setPause(camera, at ? { paused: null, paused_until: at.toISOString() } : { paused: true, paused_until: null }).then(onClose, (failed: unknown) => {
      setError(failed);
      setBusy(false);
    });
  };
  return (
    <Dialog title={`Pause ${camera.name}`} onClose={onClose}>
      <p class="soft">While it is paused it is not checked and raises no alarm; live view stays possible. The history says that nobody watched.</p>
      {error != null && <ErrorNotice error={error} />}
      <div class="stack">
        <Button disabled={busy} onClick={() => pause(new Date(boxNow() + 3_600_000))}>For 1 hour</Button>
        <Button disabled={busy} onClick={() => pause(tomorrowMorning())}>Until tomorrow 8:00</Button>
        <Button disabled={busy} onClick={() => pause(null)}>Until somebody resumes it</Button>
        <form onSubmit={(event) => {
          event.preventDefault();
          if (!wrong) pause(chosen);
        }}>
          <Field label="Until" type="datetime-local" value={until} onValue={setUntil} error={wrong} />
          <Button type="submit" disabled={busy || wrong !== null}>Pause until then</Button>
        </form>
      </div>
      <div class="actions"><Button look="quiet" onClick={onClose}>Cancel</Button></div>
    </Dialog>
  );
}
