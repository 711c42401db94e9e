// All settings, a section each. Those of the file are made from the daemon's own table of keys.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { Button, ErrorNotice, LinkButton, Select, toastError } from "../components";
import "../forms/forms.css";
import { label, type Tree } from "../forms/keys";
import { useKeys } from "../forms/useKeys";
import { go, to } from "../router";
import { signOut } from "../session";
import type { SettingKey } from "../types";
import { host } from "../store";
import { About } from "./SettingsAbout";
import { Backup } from "./SettingsBackup";
import { BoxSettings } from "./SettingsBox";
import { CameraList } from "./SettingsCameras";
import { SettingsForm } from "./SettingsForm";
import { LedSettings } from "./SettingsLeds";
import { Mqtt } from "./SettingsMqtt";
import { NetworkSettings } from "./SettingsNetwork";
import { Password } from "./SettingsPassword";
import { Tokens } from "./SettingsTokens";

interface Section {
  id: string;
  title: string;
  /** The key of the file whose settings these are; empty for the top of the file. */
  path?: string;
}

const BEFORE: readonly Section[] = [{ id: "general", title: "General", path: "" }, { id: "cameras", title: "Cameras" }];
const BOX: Section = { id: "box", title: "Box" };
const AFTER: readonly Section[] = [
  { id: "password", title: "Password" }, { id: "tokens", title: "Tokens" }, { id: "backup", title: "Backup" }, { id: "about", title: "About" },
];

/** The file's groups are whatever the daemon tells; cameras have their own pages. Only an appliance has a box to tell of, and a network to set up. */
function sections(keys: readonly SettingKey[], isAppliance: boolean): Section[] {
  const groups = keys.filter(({ path, kind }) => !path.includes(".") && (kind === "section" || kind === "list") && path !== "streams" && (path !== "network" || isAppliance));
  return [...BEFORE, ...groups.map(({ path }) => ({ id: path, title: label(path), path })), ...(isAppliance ? [BOX] : []), ...AFTER];
}

export function Settings({ section }: { section: string }) {
  const { keys, error } = useKeys();
  const all = sections(keys ?? [], Boolean(host.value?.appliance));
  const here = all.find(({ id }) => id === section);
  return (
    <div class="settings">
      <div class="settings-nav">
        <h1>Settings</h1>
        <div class="settings-choose">
          <Select label="Section" value={section} onValue={(id) => go(to.settings(id))} options={all.map(({ id, title }) => ({ value: id, text: title }))} />
        </div>
        <nav aria-label="Settings">
          {all.map(({ id, title }) => <a key={id} href={to.settings(id)} aria-current={id === section ? "page" : undefined}>{title}</a>)}
        </nav>
        <div class="settings-else">
          <LinkButton href={to.yaml} icon="edit">Edit as YAML</LinkButton>
          <Button look="quiet" icon="out" onClick={() => signOut().catch(toastError)}>Sign out</Button>
        </div>
      </div>
      <div class="page narrow">
        {error !== null && <ErrorNotice error={error} />}
        {here ? <Body section={here} keys={keys} /> : keys && <p>There is no section <code>{section}</code>. <a href={to.settings()}>To General</a></p>}
      </div>
    </div>
  );
}

function Body({ section, keys }: { section: Section; keys: readonly SettingKey[] | null }) {
  switch (section.id) {
    case "cameras": return <CameraList />;
    case "password": return <Password />;
    case "tokens": return <Tokens />;
    case "backup": return <Backup />;
    case "box": return <BoxSettings />;
    case "about": return <About />;
    default: return keys && section.path !== undefined ? <FileSection section={section} path={section.path} keys={keys} /> : <p class="soft">Loading …</p>;
  }
}

function FileSection({ section, path, keys }: { section: Section; path: string; keys: readonly SettingKey[] }) {
  const [settings, setSettings] = useState<Tree | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [version, setVersion] = useState(0);
  useEffect(() => {
    let here = true;
    get<Tree>("api/settings").then((now) => here && setSettings(now), (wrong: unknown) => here && setError(wrong));
    return () => {
      here = false;
    };
  }, []);
  if (error !== null) return <ErrorNotice error={error} />;
  if (settings === null) return <p class="soft">Loading …</p>;
  const form = {
    title: section.title, path, keys, settings,
    onSaved: (now: Tree) => {
      setSettings(now);
      setVersion(version + 1); // a fresh form: nothing is unsaved in it
    },
  };
  switch (path) {
    case "mqtt": return <Mqtt version={version} {...form} />;
    case "network": return <NetworkSettings version={version} onSettings={setSettings} {...form} />;
    case "leds": return <LedSettings version={version} {...form} />;
    default: return <SettingsForm key={version} {...form} />;
  }
}
