// MQTT: how the connection is, the broker's settings, and a try of them before they are saved.
import { useEffect, useRef } from "preact/hooks";
import { ApiError } from "../api";
import { Button, Exact, Icon, Notice, Rich, Since } from "../components";
import { BrokerTryPanel } from "../forms/BrokerTryPanel";
import type { Draft } from "../forms/draft";
import type { Values } from "../forms/KeyForm";
import { valueAt, withLabels, type Tree, type Value } from "../forms/keys";
import { isOn, MqttFields, portKey } from "../forms/MqttFields";
import { useBrokerTry, type BrokerRequest } from "../forms/useBrokerTry";
import { cameras, host } from "../store";
import type { BrokerStatus, SettingKey } from "../types";
import { SettingsForm, type SettingsFormProps } from "./SettingsForm";

const HOST = "mqtt.host";
const ENABLED = "mqtt.enabled";

export function Mqtt({ version, ...form }: Omit<SettingsFormProps, "parts"> & { version: number }) {
  const attempt = useBrokerTry();
  const { settings, keys } = form;
  const parts: SettingsFormProps["parts"] = {
    error: attempt.error instanceof ApiError && attempt.error.problems.length > 0 ? attempt.error : null,
    fields: (draft, problems) => <MqttFields keys={keys} values={switchedOn(draft, settings)} problems={problems} />,
    below: (draft) => {
      const isThis = JSON.stringify(request(draft)) === JSON.stringify(attempt.request);
      return isThis && parts?.error === null && <BrokerTryPanel attempt={attempt} secure={isOn(draft, "use_tls")} next={next(draft)} />;
    },
    button: (draft) => (
      <Button busy={attempt.state === "running"} disabled={!draft.value(HOST)} onClick={() => void attempt.run(request(draft))}>Try it</Button>),
    onLeave: attempt.forget,
  };
  const state = host.value?.broker?.state;
  useEffect(() => {
    if (state === "lost") attempt.forget(); // "It works" would stand there still
  }, [state]);
  const top = useRef<HTMLDivElement>(null);
  const saved = (now: Tree) => {
    form.onSaved(now);
    top.current?.scrollIntoView({ block: "start" }); // what comes of it is told there
  };
  return (
    <>
      <div class="broker" ref={top}><Connection settings={settings} keys={keys} /></div>
      <SettingsForm key={version} {...form} onSaved={saved} parts={parts} />
    </>
  );
}

/** What is typed, without the `mqtt.` that all of it has. */
function request(draft: Draft): BrokerRequest {
  return Object.fromEntries(Object.entries(draft.changes).map(([path, value]) => [path.replace(/^mqtt\./, ""), value]));
}

function next(draft: Draft): string {
  if (!isOn(draft, "enabled")) return "Nothing is sent yet: switch `Enabled` on and save.";
  return draft.changed ? "Save, and the box stays connected." : "The box uses these settings.";
}

/** Who types the first broker's address wants it used: a switch that was never touched goes on with it, seen by all. */
function switchedOn(draft: Draft, settings: Tree): Values {
  const isFirst = !valueAt(settings, HOST) && valueAt(settings, ENABLED) === undefined;
  return {
    value: draft.value,
    set: (path: string, value: Value) => {
      draft.set(path, value);
      if (path === HOST && isFirst && draft.changes[ENABLED] !== false) draft.set(ENABLED, value ? true : null);
    },
  };
}

/** How the connection is now, as events tell. */
function Connection({ settings, keys }: { settings: Tree; keys: readonly SettingKey[] }) {
  const broker = host.value?.broker;
  if (!broker) return null;
  return (
    <section class="card" aria-label="Connection">
      <h2>Connection</h2>
      <div role="status"><Told broker={broker} settings={settings} keys={keys} /></div>
    </section>
  );
}

function Told({ broker, settings, keys }: { broker: BrokerStatus; settings: Tree; keys: readonly SettingKey[] }) {
  const saved: Values = { value: (path) => valueAt(settings, path), set: () => {} };
  const name = portKey(saved);
  const port = saved.value(`mqtt.${name}`) ?? keys.find(({ path }) => path === `mqtt.${name}`)?.default;
  const place = <code>{String(saved.value(HOST) ?? "")}:{String(port ?? "")}</code>;
  switch (broker.state) {
    case "off":
      return <p>Off: nothing is sent. {saved.value(HOST) ? "Switch “Enabled” on and save." : "Type the broker’s address, try it, and save."}</p>;
    case "connecting":
      return <p><span class="spinner" aria-hidden="true" /> Connecting to {place} …</p>;
    case "connected":
      return (
        <>
          <p class="broker-up"><Icon name="up" /> <strong>Connected</strong> to {place}{broker.since && <> since <Exact at={broker.since} /></>}</p>
          <HomeAssistant told={saved.value("mqtt.home_assistant.enabled") !== false} />
        </>
      );
    case "lost":
      return (
        <Notice mood="warning">
          <p><strong>No connection to {place}</strong>{broker.since && <> <Since at={broker.since} /></>}: it is tried again by itself, about once a minute.</p>
          {broker.title && <p><strong>{broker.title}.</strong> <Rich text={broker.advice ?? ""} /></p>}
          {broker.message && <p class="small"><Rich text={withLabels(broker.message)} /></p>}
        </Notice>
      );
  }
}

function HomeAssistant({ told }: { told: boolean }) {
  const count = cameras.value?.length ?? 0;
  if (!told) return <p class="soft">Home Assistant is not told of the cameras: switched off below.</p>;
  return (
    <>
      <p>Home Assistant has been told of this box{count > 0 && <> and {count === 1 ? "1 camera" : `${count} cameras`}</>}.</p>
      <p class="soft small">There: Settings, Devices &amp; services, MQTT. The box and each camera are devices of their own.</p>
    </>
  );
}
