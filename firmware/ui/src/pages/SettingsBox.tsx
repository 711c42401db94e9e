// The box as an appliance: what runs, why it started, its update, restart and reset.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import "../box/box.css";
import { Power } from "../box/Power";
import { Update } from "../box/Update";
import { causeText, slotText, storageText } from "../box/words";
import { Ago, ErrorNotice, Notice, Rich } from "../components";
import { host } from "../store";
import type { Appliance, PastStart, SystemStatus } from "../types";

export function BoxSettings() {
  const appliance = host.value?.appliance;
  if (host.value === null) return <p class="soft">Loading …</p>;
  if (!appliance) return <p>Pulsebox runs on a machine of yours here: update and restart it with that machine’s own tools.</p>;
  return (
    <>
      <System appliance={appliance} />
      <Update update={appliance.update} />
      <Starts boot={appliance.start?.boot ?? null} />
      <Power update={appliance.update?.state} />
    </>
  );
}

function System({ appliance }: { appliance: Appliance }) {
  const { start, data, version, name } = appliance;
  const slot = slotText(appliance);
  return (
    <section class="card" aria-label="System">
      <h2>System</h2>
      {start?.undervoltage && <Notice mood="warning"><strong>The power supply is too weak.</strong> The voltage fell too low: use the Raspberry Pi’s own supply and a short, thick cable.</Notice>}
      <dl class="box-figures">
        {name && <div><dt>Found at</dt><dd><code>{`${location.protocol}//${name}.local${location.port && `:${location.port}`}/`}</code></dd></div>}
        {version && <div><dt>Version</dt><dd>{version}</dd></div>}
        {slot && <div><dt>In use</dt><dd>{slot}</dd></div>}
        {start && <div><dt>Last start</dt><dd>{causeText(start.cause)}{start.message && <p class="soft small"><Rich text={start.message} /></p>}</dd></div>}
        {data && <div><dt>Data partition</dt><dd>{storageText(data.state)}{data.message && <p class="soft small"><Rich text={data.message} /></p>}</dd></div>}
      </dl>
    </section>
  );
}

/** `boot`: asked for anew where it is another. */
function Starts({ boot }: { boot: string | null }) {
  const [starts, setStarts] = useState<readonly PastStart[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    let here = true;
    get<SystemStatus>("api/system").then(
      (system) => here && setStarts(system.starts),
      (wrong: unknown) => here && setError(wrong),
    );
    return () => {
      here = false;
    };
  }, [boot]);
  return (
    <section class="card" aria-label="Starts">
      <h2>Starts</h2>
      {error !== null && <ErrorNotice error={error} />}
      {starts?.length === 0 && <p class="soft">None is noted yet.</p>}
      <ul class="rows">
        {starts?.map(({ at, cause, message, slot, version }) => (
          <li key={at}>
            <div>
              <strong>{causeText(cause)}</strong>
              {message && <p class="soft small"><Rich text={message} /></p>}
            </div>
            <span class="soft small">{[version, slot && `system ${slot}`].filter(Boolean).join(", ")}</span>
            <span class="soft small"><Ago at={at} /></span>
          </li>
        ))}
      </ul>
    </section>
  );
}
