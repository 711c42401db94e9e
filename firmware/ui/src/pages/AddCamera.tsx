// A new camera: its URL is tried while the person watches, then it is added.
import { useState } from "preact/hooks";
import { ApiError, send } from "../api";
import { Button, ErrorNotice, LinkButton, Notice, toast } from "../components";
import { CameraFields } from "../forms/CameraFields";
import { newCamera, tryRequest, useCameraForm, type CameraForm } from "../forms/cameraForm";
import "../forms/forms.css";
import { freeName } from "../forms/localCamera";
import { LocalCameras } from "../forms/LocalCameras";
import { TryPanel } from "../forms/TryPanel";
import { useFirstWrong } from "../forms/useFirstWrong";
import { useGuard } from "../forms/useGuard";
import { useKeys } from "../forms/useKeys";
import { useLocalCameras } from "../forms/useLocalCameras";
import { useTry } from "../forms/useTry";
import { go, to } from "../router";
import { cameras, take, want } from "../store";
import type { CameraView, LocalCamera, SettingKey } from "../types";

const NOTHING = {};

export function AddCamera() {
  const { keys, error } = useKeys();
  return (
    <div class="page narrow">
      <div class="head"><LinkButton look="quiet" icon="back" href={to.wall} label="Back to the cameras" /><h1>Add a camera</h1></div>
      {error !== null && <ErrorNotice error={error} />}
      {keys ? <AddForm keys={keys} /> : error === null && <p class="soft">Loading …</p>}
    </div>
  );
}

function AddForm({ keys }: { keys: readonly SettingKey[] }) {
  const form = useCameraForm(NOTHING);
  const local = useLocalCameras();
  const attempt = useTry();
  const [error, setError] = useState<unknown>(null);
  const top = useFirstWrong(error);
  const [adding, setAdding] = useState(false);
  const release = useGuard(form.changed);
  const current = JSON.stringify(tryRequest(form)) === JSON.stringify(attempt.request);
  const failed = current && attempt.result?.severity === "fault";

  const add = async (anyway: boolean) => {
    if (adding) return;
    setError(null);
    setAdding(true);
    try {
      // Tried here rather than by the adding call, so that the person sees it climb.
      // What has just failed is tried again.
      const works = current && attempt.state === "done" && !failed;
      const result = anyway || works ? attempt.result : await attempt.run(tryRequest(form));
      if (!anyway && (result === null || result.severity === "fault")) return;
      const added = await send<CameraView>("POST", "api/streams", { ...newCamera(form), check: false });
      take(added);
      want();
      toast(`${added.name} is added.`);
      release();
      go(to.camera(added.id));
    } catch (wrong) {
      setError(wrong);
    } finally {
      setAdding(false);
    }
  };

  /** One of the box's own: its URL and name are filled in, and it is tried at once. */
  const choose = (one: LocalCamera) => {
    const isOurs = form.name.trim() === "" || (local.cameras ?? []).some(({ name }) => form.name === freeName(name, cameras.value ?? []));
    if (isOurs) form.setName(freeName(one.name, cameras.value ?? []));
    form.setUrl(one.url);
    void attempt.run(tryRequest({ ...form, url: one.url }));
  };

  return (
    <>
      <LocalCameras cameras={local.cameras} chosen={form.url} onChoose={choose} />
      <form class="card" ref={top} noValidate onSubmit={(event) => {
        event.preventDefault();
        void add(false);
      }}>
        <CameraFields form={form} local={local} keys={keys} problems={error instanceof ApiError ? error.problems : []} />
        <TryPanel attempt={attempt} />
        {failed && <Notice mood="warning">The camera cannot be seen now. Correct what is wrong and try again, or add it anyway: it is then watched, and shown as down until it works.</Notice>}
        {attempt.state === "done" && !current && <p class="soft small">You have changed something since: this is the result for {attempt.request?.url.replace(/^(\w+:\/\/)\*\*\*:\*\*\*@/, "$1")}.</p>}
        {error !== null && !(error instanceof ApiError && error.problems.length > 0 && error.status === 422) && <ErrorNotice error={error} />}
        <SubmitRow form={form} failed={failed} trying={attempt.state === "running"} adding={adding}
          onTry={() => void attempt.run(tryRequest(form))} onAnyway={() => void add(true)} />
      </form>
    </>
  );
}

function SubmitRow({ form, failed, trying, adding, onTry, onAnyway }: {
  form: CameraForm; failed: boolean; trying: boolean; adding: boolean; onTry: () => void; onAnyway: () => void;
}) {
  const ready = form.url.trim() !== "";
  return (
    <div class="actions bar">
      <Button look={failed ? "plain" : "main"} type="submit" busy={adding} disabled={!ready || form.name.trim() === ""}>Add camera</Button>
      <Button busy={trying} disabled={!ready} onClick={onTry}>Try it</Button>
      {failed && <Button look="danger" busy={adding} disabled={form.name.trim() === ""} onClick={onAnyway}>Add anyway</Button>}
      {ready && form.name.trim() === "" && <span class="soft small">Give it a name to add it.</span>}
    </div>
  );
}
