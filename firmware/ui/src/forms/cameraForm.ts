// The state of a camera's form, and what is sent of it. The same for a new camera and for one that is there.
import { useState } from "preact/hooks";
import type { StreamSettings } from "../types";
import { masked, takeApart } from "./cameraUrl";
import { NO_CREDENTIALS, type Credentials } from "./credentials";
import { nested, useDraft, type Draft } from "./draft";
import type { Tree, Value } from "./keys";
import { isLocal } from "../words";
import type { TryRequest } from "./useTry";

export interface CameraForm {
  name: string;
  setName: (name: string) => void;
  /** Without credentials. */
  url: string;
  setUrl: (url: string) => void;
  /** Takes a URL's credentials into their fields. */
  splitUrl: (text: string) => void;
  subUrl: string;
  setSubUrl: (url: string) => void;
  /** What is to become of them. */
  credentials: Credentials;
  /** What their fields show. */
  shown: Credentials;
  setCredentials: (credentials: Credentials) => void;
  /** All other keys. */
  draft: Draft;
  had: boolean;
  /** Something differs from what the box has. */
  changed: boolean;
}

/** What has fields of its own, and what is no setting but a state. */
export const OWN_FIELDS = ["name", "url", "sub_url", "id", "paused", "paused_until", "removed"].map((name) => `streams[].${name}`);

/** What only a camera on the network has. */
const OF_NETWORK = ["transport", "tls_insecure"];
export const NETWORK_FIELDS = OF_NETWORK.map((name) => `streams[].${name}`);

export function useCameraForm(saved: StreamSettings): CameraForm {
  const [start] = useState(() => {
    const { url, masked: hidden } = takeApart(saved.url ?? "");
    return { name: saved.name ?? "", url, subUrl: saved.sub_url ?? "", had: saved.has_credentials ?? hidden };
  });
  const kept: Credentials = start.had ? { are: "kept" } : NO_CREDENTIALS;
  const [name, setName] = useState(start.name);
  const [url, setUrl] = useState(start.url);
  const [subUrl, setSubUrl] = useState(start.subUrl);
  const [shown, setCredentials] = useState(kept);
  const draft = useDraft(saved as Tree);
  const splitUrl = (text: string) => {
    const apart = takeApart(text);
    setUrl(apart.url);
    if (apart.username !== null || apart.password !== null) {
      setCredentials({ are: "typed", username: apart.username ?? "", password: apart.password ?? "" });
    }
  };
  // Fields that were opened and left empty change nothing; only Remove removes.
  const credentials = start.had && shown.are === "typed" && shown.username === "" && shown.password === "" ? kept : shown;
  const changed = draft.changed || name !== start.name || url !== start.url || subUrl !== start.subUrl
    || JSON.stringify(credentials) !== JSON.stringify(kept);
  return { name, setName, url, setUrl, splitUrl, subUrl, setSubUrl, credentials, shown, setCredentials, draft, had: start.had, changed };
}

/** URL and credentials as a request has them. */
function address({ credentials }: CameraForm, url: string): { url: string; username?: string; password?: string } {
  if (isLocal(url)) return { url: url.trim() };
  // What is typed but not yet taken apart goes as it is: the daemon takes it apart.
  switch (credentials.are) {
    case "kept": return { url: takeApart(url).username === null ? masked(url.trim()) : url.trim() };
    case "removed": return { url: url.trim(), username: "", password: "" };
    case "typed": return credentials.username === "" && credentials.password === "" ? { url: url.trim() }
      : { url: url.trim(), username: credentials.username, password: credentials.password };
  }
}

/** For `POST /api/check`: the camera's URL, or its sub-stream's, which takes the same sign-in. */
export function tryRequest(form: CameraForm, id?: string, stream: "main" | "sub" = "main"): TryRequest {
  const request: TryRequest = { ...address(form, stream === "main" ? form.url : takeApart(form.subUrl).url) };
  const local = isLocal(request.url);
  if (id !== undefined && form.credentials.are === "kept" && !local) request.id = id;
  for (const key of ["transport", "tls_insecure", "timeout_seconds"] as const) {
    if (local && OF_NETWORK.includes(key)) continue;
    const value = form.draft.value(key);
    if (value !== undefined && value !== null) request[key] = value;
  }
  return request;
}

/** For `POST /api/streams`: everything that is given. */
export function newCamera(form: CameraForm): Tree {
  const local = isLocal(form.url);
  const given = Object.fromEntries(Object.entries(form.draft.changes).filter(([key, value]) => value !== null && !(local && OF_NETWORK.includes(key))));
  const camera: Tree = { name: form.name.trim(), ...address(form, form.url), ...nested(given) };
  if (form.subUrl.trim() !== "" && !local) camera["sub_url"] = form.subUrl.trim();
  return camera;
}

/** For `PATCH /api/streams/{id}`: only what differs. */
export function changedCamera(form: CameraForm, saved: StreamSettings): Tree {
  const patch: Record<string, Value> = nested(form.draft.changes);
  if (form.name.trim() !== saved.name) patch["name"] = form.name.trim();
  const { credentials } = form;
  const other = credentials.are === "removed" || credentials.are === "typed" && credentials.username + credentials.password !== "";
  if (other || form.url !== takeApart(saved.url ?? "").url) {
    Object.assign(patch, address(form, form.url));
  }
  if (form.subUrl.trim() !== (saved.sub_url ?? "")) patch["sub_url"] = form.subUrl.trim() === "" ? null : form.subUrl.trim();
  return patch;
}
