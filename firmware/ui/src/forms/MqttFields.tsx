// The broker's fields: what everybody needs first, the one port that is used, and the rest of the keys under "More".
import type { Problem, SettingKey } from "../types";
import { KeyForm, type Values } from "./KeyForm";
import { childrenOf, problemsOf } from "./keys";

const AT = "mqtt";
const FIRST = ["enabled", "host", "username", "password"];
const TRANSPORT = ["use_tls", "use_websocket"];
const SECURE = ["tls_insecure", "ca_file", "client_certificate", "client_key"];
const HOME_ASSISTANT = "home_assistant";

/** Whether a switch is on as the form has it now; the defaults of these are off. */
export const isOn = (values: Values, name: string) => values.value(`${AT}.${name}`) === true;

/** The port's key, by the transport. */
export function portKey(values: Values): string {
  const [tls, ws] = [isOn(values, "use_tls"), isOn(values, "use_websocket")];
  return tls ? (ws ? "tls_ws_port" : "tls_port") : ws ? "ws_port" : "port";
}

export function MqttFields({ keys, values, problems }: { keys: readonly SettingKey[]; values: Values; problems: readonly Problem[] }) {
  const all = childrenOf(keys, AT).map(({ path }) => path);
  const secure = isOn(values, "use_tls") ? SECURE : [];
  const first = [...FIRST, portKey(values)];
  const shown = [...first, ...TRANSPORT, ...secure, HOME_ASSISTANT];
  const part = (names: readonly string[]) => {
    const paths = names.map((name) => `${AT}.${name}`);
    return <KeyForm keys={keys} path={AT} values={values} problems={problems} omit={all.filter((path) => !paths.includes(path))} />;
  };
  const rest = all.map((path) => path.slice(AT.length + 1)).filter((name) => !shown.includes(name));
  return (
    <>
      {part(first)}
      {part([...TRANSPORT, ...secure])}
      {part([HOME_ASSISTANT])}
      <details class="more" open={rest.some((name) => problemsOf(problems, `${AT}.${name}`).length > 0)}>
        <summary>More: pictures and orders, StreamPulse’s status, other ports, client ID</summary>
        {part(rest)}
      </details>
    </>
  );
}
