// The appliance's network: how it is reached now, and its settings, which have to be confirmed.
import { useEffect, useRef } from "preact/hooks";
import { afterTrial, changed, network, type LinkState } from "../box/network";
import { Icon } from "../components";
import type { Tree } from "../forms/keys";
import { SettingsForm, type SettingsFormProps } from "./SettingsForm";

const CABLE: Record<LinkState, string> = {
  absent: "The box has no socket for one.", down: "None is plugged in.", no_address: "Plugged in; it has no address yet.", up: "Connected.",
};
const WIFI: Record<LinkState, string> = {
  absent: "The box has no radio for it.", down: "Not joined: another name, a wrong password, or out of reach.",
  no_address: "Joined; it has no address yet.", up: "Joined.",
};

export function NetworkSettings({ version, onSettings, ...form }: Omit<SettingsFormProps, "parts"> & { version: number; onSettings: (now: Tree) => void }) {
  const back = afterTrial.value;
  const known = useRef(back);
  useEffect(() => {
    if (back !== null && back !== known.current) onSettings(back);
  }, [back]);
  const saved = (now: Tree) => {
    form.onSaved(now);
    changed(now);
  };
  return (
    <>
      <Connections />
      <SettingsForm key={version} {...form} onSaved={saved} done="Saved. Network settings are to be confirmed within two minutes." />
    </>
  );
}

/** Kept current by `NetworkTrial`, which is on every page. */
function Connections() {
  const now = network.value;
  return (
    <section class="card" aria-label="Connections">
      <h2>Connections</h2>
      {now && (
        <dl>
          <dt>Name</dt><dd><code>{now.name}.local</code></dd>
          <dt>Addresses</dt><dd>{now.addresses.length === 0 ? "none" : now.addresses.map((one) => <span key={one}><code>{one}</code> </span>)}</dd>
          <dt>Cable</dt><dd>{now.cable === "up" && <Icon name="up" />} {CABLE[now.cable]}</dd>
          <dt>Wi-Fi</dt><dd>{now.wifi === "up" && <Icon name="up" />} {now.wifi === null ? "Not set up." : WIFI[now.wifi]}</dd>
        </dl>)}
      <p class="soft">What you save is tried for two minutes. Press “Keep them” in that time, at the box’s new address if you change it (sign in there); otherwise the former settings come back by themselves.</p>
    </section>
  );
}
