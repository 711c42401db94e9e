// The cameras of the configuration, and those that were removed: brought back, or forgotten.
import { useEffect, useState } from "preact/hooks";
import { get, part, send } from "../api";
import { Button, Confirm, ErrorNotice, LinkButton, Name, StateBadge, toast, toastError } from "../components";
import { to } from "../router";
import { cameras, want } from "../store";
import type { CameraView, RemovedCamera } from "../types";

export function CameraList() {
  const [removed, setRemoved] = useState<RemovedCamera[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [forgetting, setForgetting] = useState<RemovedCamera | null>(null);
  const load = () => get<RemovedCamera[]>("api/streams?removed=true").then(setRemoved, setError);
  useEffect(() => void load(), []);

  const deed = async (act: Promise<unknown>, said: string) => {
    try {
      await act;
      toast(said);
      want();
    } catch (wrong) {
      toastError(wrong);
    }
    setForgetting(null);
    await load();
  };
  const restore = (one: RemovedCamera) => deed(send<CameraView>("POST", `api/streams/${part(one.id)}/restore`), `${one.name} is watched again.`);
  const forget = (one: RemovedCamera) => deed(send("DELETE", `api/streams/${part(one.id)}?forget=true`), `${one.name} is forgotten.`);

  return (
    <>
      <section class="card">
        <div class="head"><h2>Cameras</h2><LinkButton look="main" icon="add" href={to.add}>Add a camera</LinkButton></div>
        {cameras.value?.length === 0 && <p>There are none yet.</p>}
        <ul class="rows">
          {cameras.value?.map((one) => (
            <li key={one.id}>
              <div><a href={to.camera(one.id)}><strong><Name text={one.name} /></strong></a> <StateBadge state={one.state} /><p class="soft small">{one.url}</p></div>
              <LinkButton icon="edit" href={to.edit(one.id)}>Edit<span class="unseen"> {one.name}</span></LinkButton>
            </li>
          ))}
        </ul>
      </section>
      <section class="card">
        <h2>Removed cameras</h2>
        <p class="soft">They are not watched. Their settings and history are kept until you forget them.</p>
        {error !== null && <ErrorNotice error={error} />}
        {removed?.length === 0 && <p>There are none.</p>}
        <ul class="rows">
          {removed?.map((one) => (
            <li key={one.id}>
              <div><strong><Name text={one.name} /></strong><p class="soft small">{one.url}</p></div>
              <div class="actions">
                <Button onClick={() => void restore(one)}>Restore<span class="unseen"> {one.name}</span></Button>
                <Button look="danger" onClick={() => setForgetting(one)}>Forget<span class="unseen"> {one.name}</span></Button>
              </div>
            </li>
          ))}
        </ul>
      </section>
      {forgetting && (
        <Confirm title={`Forget ${forgetting.name}?`} deed="Forget" onConfirm={() => void forget(forgetting)} onClose={() => setForgetting(null)}>
          <p>Its settings, with its password, are taken out of the file. This cannot be undone.</p>
        </Confirm>)}
    </>
  );
}
