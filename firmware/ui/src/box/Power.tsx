// Restart, and back to how it was delivered.
import { useState } from "preact/hooks";
import { send } from "../api";
import { Button, Confirm, Dialog, Field, toast, toastError } from "../components";
import { to } from "../router";
import type { UpdateState } from "../types";
import { isWriting } from "./words";

/** What has to be typed before everything is wiped. */
const CONFIRM = "reset";

type Asking = "restart" | "reset" | null;

export function Power({ update }: { update: UpdateState | undefined }) {
  const [asking, setAsking] = useState<Asking>(null);
  const [busy, setBusy] = useState(false);
  const [typed, setTyped] = useState("");
  const close = () => {
    setAsking(null);
    setTyped("");
  };
  const ask = async (path: string, body: unknown, done: string) => {
    setBusy(true);
    try {
      await send("POST", path, body);
      toast(done);
    } catch (error) {
      toastError(error);
    } finally {
      setBusy(false);
      close();
    }
  };
  const restart = () => ask("api/restart", undefined, "The box restarts. This page comes back by itself.");
  const reset = () => ask("api/reset", { confirm: CONFIRM }, "The box wipes itself and restarts. It takes up to four minutes; then open http://pulsebox.local/ and set a password.");
  const held = isWriting(update);
  const onTrial = update === "trying";
  return (
    <section class="card" aria-label="Restart and reset">
      <h2>Restart and reset</h2>
      <p class="soft">A restart takes a minute; cameras are not watched meanwhile. You may also just cut the power, at any time but while an update is written.</p>
      <div class="actions">
        <Button disabled={held} onClick={() => setAsking("restart")}>Restart …</Button>
        <Button look="danger" disabled={held || onTrial} onClick={() => setAsking("reset")}>Factory reset …</Button>
      </div>
      {onTrial && <p class="soft">The new version is on trial, for ten minutes at most. A factory reset has to wait until that has ended.</p>}
      {asking === "restart" && (
        <Confirm title="Restart the box?" deed="Restart" look="main" busy={busy} onConfirm={() => void restart()} onClose={close}>
          <p>Cameras are not watched until it is back, in about a minute.</p>
        </Confirm>)}
      {asking === "reset" && (
        <Dialog title="Wipe everything?" onClose={close}>
          <p>Cameras, passwords, tokens, settings and the whole history are wiped. The network’s settings go too: a box that is on Wi-Fi is back only by cable, or with a <code>pulsebox.yaml</code> on its card. After four minutes at most it is as it was delivered, at <code>http://pulsebox.local/</code>, and whoever opens it first sets its password. A <a href={to.settings("backup")}>backup</a> brings the settings back; nothing brings back the history.</p>
          <form onSubmit={(event) => {
            event.preventDefault();
            if (typed === CONFIRM && !busy) void reset();
          }}>
            <Field label={`Type ${CONFIRM} to go on`} value={typed} onValue={setTyped} autocomplete="off" />
            <div class="actions">
              <Button onClick={close}>Cancel</Button>
              <Button type="submit" look="danger" busy={busy} disabled={typed !== CONFIRM}>Wipe everything</Button>
            </div>
          </form>
        </Dialog>)}
    </section>
  );
}
