// A camera's settings: the same form, filled in. Only what differs is sent.
import { useEffect, useState } from "preact/hooks";
import { ApiError, get, part, send } from "../api";
import { Button, Confirm, ErrorNotice, LinkButton, Name, toast, toastError } from "../components";
import { CameraFields } from "../forms/CameraFields";
import { changedCamera, tryRequest, useCameraForm } from "../forms/cameraForm";
import "../forms/forms.css";
import { LocalCameras } from "../forms/LocalCameras";
import { TryPanel } from "../forms/TryPanel";
import { useFirstWrong } from "../forms/useFirstWrong";
import { useGuard } from "../forms/useGuard";
import { useKeys } from "../forms/useKeys";
import { useLocalCameras } from "../forms/useLocalCameras";
import { useTry } from "../forms/useTry";
import { go, to } from "../router";
import { take, want } from "../store";
import type { CameraDetail, SettingKey, StreamSettings } from "../types";
import { isLocal } from "../words";

export function EditCamera({ id }: { id: string }) {
  const { keys, error } = useKeys();
  const [camera, setCamera] = useState<CameraDetail | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  useEffect(() => {
    let here = true;
    get<CameraDetail>(`api/streams/${part(id)}`).then((one) => here && setCamera(one), (wrong: unknown) => here && setFailed(wrong));
    return () => {
      here = false;
    };
  }, [id]);
  const wrong = failed ?? error;
  return (
    <div class="page narrow">
      <div class="head">
        <LinkButton look="quiet" icon="back" href={to.camera(id)} label="Back to the camera" />
        <h1>Edit {camera ? <Name text={camera.name} /> : id}</h1>
      </div>
      {wrong !== null && <ErrorNotice error={wrong} />}
      {keys && camera?.settings ? <EditForm keys={keys} camera={camera} saved={camera.settings} /> : wrong === null && <p class="soft">Loading …</p>}
    </div>
  );
}

function EditForm({ keys, camera, saved }: { keys: readonly SettingKey[]; camera: CameraDetail; saved: StreamSettings }) {
  const form = useCameraForm(saved);
  const local = useLocalCameras(isLocal(form.url));
  const attempt = useTry();
  const [error, setError] = useState<unknown>(null);
  const top = useFirstWrong(error);
  const [saving, setSaving] = useState(false);
  const release = useGuard(form.changed);

  const save = async (event: Event) => {
    event.preventDefault();
    if (saving) return;
    setError(null);
    setSaving(true);
    try {
      const changed = await send<CameraDetail>("PATCH", `api/streams/${part(camera.id)}`, changedCamera(form, saved));
      take(changed);
      want();
      toast(`${changed.name} is saved. It is checked again now.`);
      release();
      go(to.camera(changed.id));
    } catch (wrong) {
      setError(wrong);
    } finally {
      setSaving(false);
    }
  };

  return (
    <>
      {isLocal(form.url) && <LocalCameras cameras={local.cameras} chosen={form.url} onChoose={(one) => {
        form.setUrl(one.url);
        void attempt.run(tryRequest({ ...form, url: one.url }, camera.id));
      }} />}
      <form class="card" ref={top} noValidate onSubmit={save}>
        <p class="soft small">Its id is <code>{camera.id}</code> and stays: history and MQTT topics hang on it.</p>
        <CameraFields form={form} local={local} keys={keys} id={camera.id} problems={error instanceof ApiError ? error.problems : []} />
        <TryPanel attempt={attempt} />
        {error !== null && !(error instanceof ApiError && error.problems.length > 0) && <ErrorNotice error={error} />}
        <div class="actions bar">
          <Button look="main" type="submit" busy={saving} disabled={!form.changed}>Save</Button>
          <Button busy={attempt.state === "running"} disabled={form.url.trim() === ""} onClick={() => void attempt.run(tryRequest(form, camera.id))}>Try it</Button>
          <LinkButton href={to.camera(camera.id)}>Cancel</LinkButton>
        </div>
      </form>
      <Remove camera={camera} onRemoved={() => {
        release();
        go(to.wall);
      }} />
    </>
  );
}

function Remove({ camera, onRemoved }: { camera: CameraDetail; onRemoved: () => void }) {
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const remove = async () => {
    setBusy(true);
    try {
      await send("DELETE", `api/streams/${part(camera.id)}`);
      want();
      toast(`${camera.name} is removed. Its history is kept; Settings, Cameras brings it back.`);
      onRemoved();
    } catch (error) {
      toastError(error);
      setAsking(false);
    } finally {
      setBusy(false);
    }
  };
  return (
    <section class="card">
      <h2>Remove</h2>
      <p>The camera is not watched any more. Its history is kept, and it can be brought back in <a href={to.settings("cameras")}>Settings, Cameras</a>.</p>
      <Button look="danger" icon="remove" onClick={() => setAsking(true)}>Remove this camera</Button>
      {asking && (
        <Confirm title={`Remove ${camera.name}?`} deed="Remove" busy={busy} onConfirm={() => void remove()} onClose={() => setAsking(false)}>
          <p>It is not watched any more. Its history is kept, and it can be brought back.</p>
        </Confirm>)}
    </section>
  );
}
