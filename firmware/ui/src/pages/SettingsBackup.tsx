// The configuration as one sealed file: taken away, and brought back.
import { useState } from "preact/hooks";
import { ApiError, call, send } from "../api";
import { Button, Confirm, ErrorNotice, toast } from "../components";
import { Around } from "../forms/Around";
import { UserName } from "../forms/NewPassword";
import { PasswordField } from "../forms/Secret";
import { want } from "../store";
import { sentence } from "../words";

/** A configuration is at most 1 MiB; sealed and written as text it grows by half. */
const BACKUP_BYTES_MAX = 4 * 1024 * 1024;
/** Sealing takes a Pi some seconds. */
const DEADLINE_MS = 60_000;

export function Backup() {
  return <><Download /><Restore /></>;
}

function Download() {
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const download = async (event: Event) => {
    event.preventDefault();
    if (busy || password === "") return;
    setBusy(true);
    setError(null);
    try {
      const response = await call("POST", "api/backup", { password }, { deadlineMs: DEADLINE_MS });
      const name = /filename="([\w.-]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? "pulsebox-backup.json";
      saveAs(name, await response.blob());
      setPassword("");
      toast(`${name} is downloaded.`);
    } catch (wrong) {
      setError(wrong);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="card" onSubmit={download} noValidate>
      <h2>Download a backup</h2>
      <p class="soft">The whole configuration with the cameras’ passwords, sealed with your sign-in password: without it nobody can open the file. History and pictures are not in it.</p>
      {shownAbove(error) && <ErrorNotice error={error} />}
      <UserName />
      <PasswordField label="Sign-in password" value={password} onValue={setPassword} autocomplete="current-password" error={denied(error)} />
      <div class="actions"><Button type="submit" look="main" icon="download" busy={busy} disabled={password === ""}>Download</Button></div>
    </form>
  );
}

function Restore() {
  const [file, setFile] = useState<File | null>(null);
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const restore = async () => {
    if (file === null || busy) return;
    setBusy(true);
    setError(null);
    try {
      const backup = await read(file);
      const { cameras } = await send<{ cameras: number }>("POST", "api/restore", { password, backup }, { deadlineMs: DEADLINE_MS });
      setPassword("");
      want();
      toast(`Restored: ${cameras} ${cameras === 1 ? "camera" : "cameras"}.`);
    } catch (wrong) {
      setError(wrong);
    } finally {
      setBusy(false);
      setAsking(false);
    }
  };
  return (
    <form class="card" noValidate onSubmit={(event) => {
      event.preventDefault();
      if (file !== null && password !== "") setAsking(true);
    }}>
      <h2>Restore from a backup</h2>
      <p class="soft">The configuration becomes the backup’s. The sign-in password of this box stays as it is.</p>
      {shownAbove(error) && <ErrorNotice error={error} />}
      <Around label="Backup file" help="pulsebox-backup-….json">{(tied) => (
        <input {...tied} type="file" accept="application/json,.json" onChange={(event) => setFile(event.currentTarget.files?.[0] ?? null)} />)}
      </Around>
      <PasswordField label="The password it was made with" value={password} onValue={setPassword} autocomplete="off" error={denied(error)} />
      <div class="actions"><Button type="submit" busy={busy} disabled={file === null || password === ""}>Restore</Button></div>
      {asking && (
        <Confirm title="Replace the configuration?" deed="Replace it" busy={busy} onConfirm={() => void restore()} onClose={() => setAsking(false)}>
          <p>Cameras and settings of now are replaced by those of {file?.name}. The history stays.</p>
        </Confirm>)}
    </form>
  );
}

async function read(file: File): Promise<unknown> {
  if (file.size > BACKUP_BYTES_MAX) throw new ApiError(0, "This file is too large to be a backup.", "Choose the pulsebox-backup file.");
  try {
    return JSON.parse(await file.text());
  } catch {
    throw new ApiError(0, "This file is no backup: it is not JSON.", "Choose the pulsebox-backup file, as it was downloaded.");
  }
}

/** A wrong password is said at its field. */
function denied(error: unknown): string | null {
  return error instanceof ApiError && error.status === 401 ? `${sentence(error.what)} ${sentence(error.do)}`.trim() : null;
}

function shownAbove(error: unknown): boolean {
  return error !== null && denied(error) === null;
}

function saveAs(name: string, data: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = name;
  link.click();
  // After the browser has taken it.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
