// What this box is and how it does: figures, versions, licence.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { ErrorNotice } from "../components";
import { session } from "../session";
import type { SystemStatus } from "../types";
import { bytes, span } from "../words";

/** The box samples itself this often. */
const REFRESH_MS = 15_000;

export function About() {
  const [system, setSystem] = useState<SystemStatus | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    let here = true;
    const load = () => !document.hidden && void get<SystemStatus>("api/system").then(
      (now) => {
        if (!here) return;
        setSystem(now);
        setError(null);
      },
      (wrong: unknown) => here && setError(wrong),
    );
    load();
    const timer = setInterval(load, REFRESH_MS);
    return () => {
      here = false;
      clearInterval(timer);
    };
  }, []);
  return (
    <>
      <section class="card">
        <h2>Pulsebox {session.value?.version}</h2>
        <p>Watches cameras, proves each picture and names each failure.</p>
        <p class="soft small">Free software under MIT or Apache-2.0, as you like. <a href="api/openapi.json">The API, as OpenAPI</a></p>
      </section>
      <section class="card">
        <h2>This box</h2>
        {error !== null && <ErrorNotice error={error} />}
        {system ? <Figures system={system} /> : error === null && <p class="soft">Loading …</p>}
      </section>
    </>
  );
}

function Figures({ system: { host, cameras, connections, live } }: { system: SystemStatus }) {
  const percent = (value: number | null | undefined) => (value == null ? null : `${value.toFixed(1)} %`);
  const of = (used: number | null | undefined, total: number | null | undefined) =>
    used == null || total == null ? null : `${bytes(used)} of ${bytes(total)}`;
  const free = host.data_free == null || host.data_total == null ? null : `${bytes(host.data_free)} free of ${bytes(host.data_total)}`;
  const limit = (name: string, now: number) => {
    const most = connections.limits[name];
    return most === undefined ? String(now) : `${now} of ${most}`;
  };
  const viewers = live.reduce((sum, one) => sum + one.viewers, 0);
  return (
    <dl class="box-figures">
      <Fact name="Name">{host.name}</Fact>
      <Fact name="Machine">{host.leds?.machine}</Fact>
      <Fact name="Addresses">{host.addresses?.join(", ")}</Fact>
      <Fact name="Running for">{host.uptime_seconds == null ? null : span(host.uptime_seconds * 1000)}</Fact>
      <Fact name="Clock">{host.clock === undefined ? null : host.clock === "trusted" ? "set" : "not set yet: times may be wrong"}</Fact>
      <Fact name="Processor">{percent(host.cpu_percent)}</Fact>
      <Fact name="Load">{host.load1?.toFixed(2)}</Fact>
      <Fact name="Temperature">{host.temperature_c == null ? null : `${host.temperature_c.toFixed(1)} °C`}</Fact>
      <Fact name="Memory">{of(host.memory_used, host.memory_total)}</Fact>
      <Fact name="Pulsebox itself">{host.daemon_memory == null ? null : `${bytes(host.daemon_memory)}, ${percent(host.daemon_cpu_percent) ?? "?"} processor`}</Fact>
      <Fact name="Storage">{free}</Fact>
      <Fact name="Written since start">{bytes(host.bytes_written)}</Fact>
      <Fact name="Cameras">{Object.entries(cameras).filter(([, n]) => n > 0).map(([state, n]) => `${n} ${state}`).join(", ") || "none"}</Fact>
      <Fact name="Live views">{`${viewers} ${viewers === 1 ? "viewer" : "viewers"}, ${live.length} ${live.length === 1 ? "stream" : "streams"}`}</Fact>
      <Fact name="Event streams">{limit("events", connections.events)}</Fact>
      <Fact name="Sockets">{limit("sockets", connections.sockets)}</Fact>
      <Fact name="MJPEG streams">{limit("mjpeg", connections.mjpeg)}</Fact>
    </dl>
  );
}

/** Left out where the box does not tell. */
function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  if (children === null || children === undefined || children === "") return null;
  return <div><dt>{name}</dt><dd>{children}</dd></div>;
}
