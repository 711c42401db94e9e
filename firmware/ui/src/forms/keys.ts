// What may be set, as the daemon tells it (`GET /api/settings/keys`, printed from its own table): the forms are made
// from it, so that page, file and documentation never differ. Nothing here judges a value: the daemon does, in its
// words.

import type { KeyKind, Problem, SettingKey as Key } from "../types";
import { sentence } from "../words";

/** A value in the file, as JSON. */
export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };

/** Values by key, nested as in the file. */
export type Tree = { [key: string]: Value };

/** Words that are no English words by themselves. */
const WORDS: Record<string, string> = {
  mqtt: "MQTT", leds: "LEDs", led: "LED", url: "URL", id: "ID", tls: "TLS", ws: "WebSocket", websocket: "WebSocket", username: "user name", home: "Home", assistant: "Assistant", gpio: "GPIO", qos: "QoS", fps: "frames per second",
  web: "page", min: "Fewest", cors: "CORS", act: "ACT LED", mediamtx: "MediaMTX", mjpeg: "MJPEG", ca: "CA", timezone: "time zone", wifi: "Wi-Fi", ssid: "network name (SSID)", dns: "DNS servers",
};
/** Said by the unit beside the field. */
const UNITS = /_(seconds|days|percent)$/;

/** A key's last name in words: `heartbeat_seconds` is `Heartbeat`. */
export function label(path: string): string {
  const name = (path.split(".").pop() ?? path).replace(/\[\]$/, "").replace(UNITS, "");
  const words = name.split("_").map((word) => WORDS[word] ?? word).join(" ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const BROKER_KEYS = /\bmqtt\.(username|password|client_id|ca_file|client_certificate|client_key|use_tls|tls_insecure|use_websocket)\b/g;

/** A message that names keys of the broker as the file does, with the words on their fields. */
export function withLabels(message: string): string {
  return message.replace(BROKER_KEYS, (path) => `“${label(path)}” (\`${path}\`)`);
}

/** The keys directly under `path` (empty: the top), in the daemon's order. */
export function childrenOf(keys: readonly Key[], path: string): Key[] {
  const start = path === "" ? "" : `${path}.`;
  return keys.filter((key) => {
    if (!key.path.startsWith(start)) return false;
    const rest = key.path.slice(start.length);
    return rest !== "" && !rest.includes(".") && !rest.endsWith("[]");
  });
}

/** The value at a dotted path; undefined where the file gives none. */
export function valueAt(tree: Tree, path: string): Value | undefined {
  let at: Value | undefined = tree;
  for (const name of path.split(".")) {
    if (at === null || typeof at !== "object" || Array.isArray(at)) return undefined;
    at = at[name];
  }
  return at;
}

/** What a person typed, as JSON; empty is "back to default". What is no number goes as typed: the daemon says why not. */
export function typed(kind: KeyKind, text: string): Value {
  const trimmed = text.trim();
  if (kind === "secret") return text === "" ? null : text;
  if (trimmed === "") return null;
  if (kind === "whole" || kind === "decimal") {
    const number = Number(trimmed.replace(",", "."));
    return Number.isFinite(number) ? number : trimmed;
  }
  if (kind === "texts") return trimmed.split(/\s*[\n,]\s*/).filter((line) => line !== "");
  return trimmed;
}

/** A value as a person reads it in a field. */
export function shown(value: Value | undefined): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return value.map(shown).join("\n");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** The default without YAML's quotes; empty where there is none. */
export function defaultOf(key: Key): string {
  return (key.default ?? "").replace(/^"(.*)"$/, "$1");
}

/** What the key does, its range and its default, for under the field. */
export function helpOf(key: Key): string {
  const facts: string[] = [];
  const number = key.kind === "whole" || key.kind === "decimal";
  if (number && key.min != null && key.max != null) facts.push(`${key.min} to ${key.max}${key.unit ? ` ${key.unit}` : ""}`);
  const usual = defaultOf(key);
  if (usual !== "" && key.kind !== "choice" && key.kind !== "bool") facts.push(`default ${usual}`);
  return facts.length === 0 ? key.about : `${key.about} (${facts.join("; ")})`;
}

/** Problems as one text under a field, in the daemon's words; null where there is none. */
export function problemText(problems: readonly Problem[]): string | null {
  if (problems.length === 0) return null;
  return problems.map((problem) => `${sentence(problem.what)} ${sentence(problem.do)}`.trim()).join(" ");
}

/** The problems that belong to `path`; problems name their key as the file has it, `streams[3].url`. */
export function problemsOf(problems: readonly Problem[], path: string): Problem[] {
  return problems.filter((problem) => problem.key !== null && sameKey(problem.key, path));
}

/** Those that belong to none of `paths`: shown above the form, never lost. */
export function otherProblems(problems: readonly Problem[], paths: readonly string[]): Problem[] {
  // A row of a list, `mediamtx[2].url`, is told at its row.
  const known = (key: string) => paths.some((path) => sameKey(key, path) || sameKey(key.replace(/\[\d+\]/g, "[]"), path));
  return problems.filter((problem) => problem.key === null || !known(problem.key));
}

function sameKey(key: string, path: string): boolean {
  const plain = (text: string) => text.replace(/^streams\[\d*\]\./, "");
  return plain(key) === plain(path);
}
