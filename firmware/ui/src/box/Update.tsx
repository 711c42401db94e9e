// An update: chosen here, sent to the box, and followed until it has proved itself or was put back.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, send } from "../api";
import { Button, Checkbox, ErrorNotice, Notice, Rich, toast, toastError } from "../components";
import { Around } from "../forms/Around";
import type { UpdateStatus } from "../types";
import { upload, BUNDLE_BYTES_MAX, type Upload } from "./upload";
import { isBusy, isWriting, updateText } from "./words";

export function Update({ update }: { update: UpdateStatus | null }) {
  return (
    <section class="card box-update" aria-label="Update">
      <h2>Update</h2>
      <div role="status">{update && <Told update={update} />}</div>
      {update?.state === "waiting" && <Install />}
      {!isBusy(update?.state) && <Choose />}
    </section>
  );
}

const MOOD = { refused: "bad", failed: "bad", rolled_back: "warning", good: "good" } as const;

function Told({ update }: { update: UpdateStatus }) {
  const text = updateText(update);
  if (text === null) return null;
  const mood = update.state in MOOD ? MOOD[update.state as keyof typeof MOOD] : "info";
  return (
    <Notice mood={isWriting(update.state) ? "warning" : mood}>
      {isWriting(update.state) && <strong>Do not cut the power. </strong>}
      {update.state === "refused" && <strong>The update was refused. </strong>}
      <Rich text={text} />
      {update.state === "writing" && update.percent !== null && <Bar label="Written" percent={update.percent} />}
    </Notice>
  );
}

function Bar({ label, percent }: { label: string; percent: number }) {
  return <p class="progress"><progress aria-label={label} max={100} value={percent} /> <span>{percent} %</span></p>;
}

function Install() {
  const [busy, setBusy] = useState(false);
  const install = async () => {
    setBusy(true);
    try {
      await send("POST", "api/update/install");
    } catch (error) {
      toastError(error);
      setBusy(false);
    }
  };
  return <div class="actions"><Button look="main" busy={busy} onClick={() => void install()}>Install it now</Button></div>;
}

function Choose() {
  const [file, setFile] = useState<File | null>(null);
  const [round, setRound] = useState(0);
  const [later, setLater] = useState(false);
  const [percent, setPercent] = useState<number | null>(null);
  const [error, setError] = useState<unknown>(null);
  const going = useRef<Upload | null>(null);
  useEffect(() => () => going.current?.stop(), []);
  const start = async (event: Event) => {
    event.preventDefault();
    if (file === null || going.current !== null) return;
    setError(null);
    if (file.size > BUNDLE_BYTES_MAX) {
      setError(new ApiError(0, "This file is too large to be an update", "Choose the file pulsebox-….raucb."));
      return;
    }
    setPercent(0);
    going.current = upload(file, !later, setPercent);
    try {
      await going.current.done;
      toast("The file is there, and the box looks at it now.");
      setFile(null);
      setRound((round) => round + 1);
    } catch (wrong) {
      if (!(wrong instanceof DOMException)) setError(wrong);
    } finally {
      going.current = null;
      setPercent(null);
    }
  };
  return (
    <form onSubmit={start} noValidate>
      <p class="soft">The file of the new version, <code>pulsebox-….raucb</code>. It is taken only if it is signed and fits this box. The system that runs stays as it is beside the new one, and comes back by itself if that is not well.</p>
      {error !== null && <ErrorNotice error={error} />}
      {/* Hidden and not taken away: what was chosen stays chosen where the upload has to be tried again. */}
      <div hidden={percent !== null}>
        <Around label="Update file">{(tied) => (
          <input {...tied} key={round} type="file" accept=".raucb" onChange={(event) => setFile(event.currentTarget.files?.[0] ?? null)} />)}
        </Around>
        <Checkbox label="Only check it, and install it later" checked={later} onValue={setLater} />
        <div class="actions"><Button type="submit" look="main" disabled={file === null}>{later ? "Upload and check" : "Upload and install"}</Button></div>
      </div>
      {percent !== null && <>
        <p role="status">{percent < 100 ? "The file goes to the box. Keep this page open until it is there." : "The box writes the last of it to its card."}</p>
        <Bar label="Uploaded" percent={percent} />
        <div class="actions"><Button onClick={() => going.current?.stop()}>Cancel</Button></div>
      </>}
    </form>
  );
}
