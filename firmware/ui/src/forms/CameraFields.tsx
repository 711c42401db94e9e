// The fields of a camera: what everybody needs, and the rest of its keys under "More".
import { useState } from "preact/hooks";
import { Button, ErrorNotice, Field, Notice, Rich, Select } from "../components";
import { fill, MAKERS } from "../makers";
import type { Problem, SettingKey } from "../types";
import { isLocal } from "../words";
import { NETWORK_FIELDS, OWN_FIELDS, tryRequest, type CameraForm } from "./cameraForm";
import { CredentialFields } from "./CredentialFields";
import { KeyField } from "./KeyField";
import { KeyForm } from "./KeyForm";
import { otherProblems, problemsOf, problemText } from "./keys";
import { TryPanel } from "./TryPanel";
import type { Local } from "./useLocalCameras";
import { useTry } from "./useTry";

export function CameraFields({ form, keys, problems, id, local }: {
  form: CameraForm;
  local: Local;
  keys: readonly SettingKey[];
  problems: readonly Problem[];
  /** None for a new camera. */
  id?: string;
}) {
  const wrong = (key: string) => problemText(problemsOf(problems, key));
  const about = (key: string) => keys.find(({ path }) => path === `streams[].${key}`)?.about;
  const lost = otherProblems(problems, keys.map(({ path }) => path));
  const idKey = keys.find(({ path }) => path === "streams[].id");
  const atBox = isLocal(form.url);
  const omit = atBox ? [...OWN_FIELDS, ...NETWORK_FIELDS] : OWN_FIELDS;
  const inMore = keys.map(({ path }) => path).filter((path) => !omit.includes(path) || path === "streams[].id");
  return (
    <>
      {lost.length > 0 && <p class="error" role="alert"><Rich text={problemText(lost) ?? ""} /></p>}
      <Field label="Name" value={form.name} onValue={form.setName} error={wrong("name")} help={about("name")} autocomplete="off" />
      {!atBox && <MakerHint form={form} />}
      <Field label="URL" value={form.url} error={wrong("url")} inputMode="url" autocomplete="off" placeholder="rtsp://192.168.1.20/stream1"
        help={atBox
          ? "The device here. Pulsebox chooses what it sends, unless `?format=mjpeg`, `size=1280x720` or `fps=15` follows."
          : "Paste it with user name and password if it has them: they go into their own fields."}
        onValue={form.setUrl}
        onPaste={(event) => {
          const text = event.clipboardData?.getData("text") ?? "";
          if (!text.includes("://")) return;
          event.preventDefault();
          form.splitUrl(text);
        }}
        onBlur={(event) => form.splitUrl(event.currentTarget.value)} />
      {atBox && <NonePlugged local={local} />}
      {!atBox && <CredentialFields value={form.shown} had={form.had} onChange={form.setCredentials} />}
      {(!atBox || (id !== undefined && form.subUrl !== "")) && <SubStream form={form} id={id} error={wrong("sub_url")} help={about("sub_url")} />}
      <details class="more" open={inMore.some((path) => problemsOf(problems, path).length > 0)}>
        <summary>More: heartbeat, {!atBox && "transport, "}alarms</summary>
        {id === undefined && idKey && <KeyField of={idKey} value={form.draft.value("id")} onChange={(value) => form.draft.set("id", value)}
          problems={problemsOf(problems, "id")} />}
        <KeyForm keys={keys} path="streams[]" base="streams[]." values={form.draft} problems={problems} omit={omit} />
      </details>
    </>
  );
}

/** Who writes a device's URL, and there is none. */
function NonePlugged({ local: { cameras, error } }: { local: Local }) {
  if (error !== null) return <ErrorNotice error={error} />;
  if (cameras === null || cameras.length > 0) return null;
  return <Notice mood="warning">No camera is plugged in at this box. Plug one in: it is listed above within seconds.</Notice>;
}

/** Choosing a maker fills in the URL; the host that was typed stays. */
function MakerHint({ form }: { form: CameraForm }) {
  const [chosen, setChosen] = useState("");
  const maker = MAKERS.find(({ id }) => id === chosen);
  const choose = (id: string) => {
    setChosen(id);
    const one = MAKERS.find((other) => other.id === id);
    if (one === undefined) return;
    const url = fill(one, form.url, "main");
    if (url !== null) form.setUrl(url);
    form.setSubUrl(fill(one, form.url, "sub") ?? "");
  };
  return (
    <Select label="Maker" value={chosen} onValue={choose}
      help={maker === undefined ? "Fills in where this maker’s cameras serve their video. The host stays." : maker.note ?? "Models differ: try it."}
      options={[{ value: "", text: "Not listed, or I have the URL" }, ...MAKERS.map(({ id, name }) => ({ value: id, text: name }))]} />
  );
}

/** The smaller stream's URL, and a try of it alone. */
function SubStream({ form, id, error, help }: { form: CameraForm; id: string | undefined; error: string | null; help: string | undefined }) {
  const attempt = useTry();
  const request = form.subUrl.trim() === "" ? null : tryRequest(form, id, "sub");
  const current = JSON.stringify(request) === JSON.stringify(attempt.request);
  return (
    <>
      <Field label="Sub-stream URL" value={form.subUrl} onValue={form.setSubUrl} error={error} inputMode="url" autocomplete="off"
        placeholder="none" help={help ?? "The camera’s smaller stream, if it has one. It is shown where the main one cannot be played."} />
      {request !== null && <p><Button look="quiet" busy={attempt.state === "running"} onClick={() => void attempt.run(request)}>Try the sub-stream</Button></p>}
      {current && <TryPanel attempt={attempt} />}
    </>
  );
}
