// LEDs: what they say now, their settings, and the card that tells what each pattern means.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { ErrorNotice } from "../components";
import { valueAt } from "../forms/keys";
import { Card } from "../leds/Card";
import "../leds/leds.css";
import { isBoxLamp, Now } from "../leds/Now";
import { host } from "../store";
import type { BoxLamp, Leds } from "../types";
import { SettingsForm, type SettingsFormProps } from "./SettingsForm";

export function LedSettings({ version, ...form }: Omit<SettingsFormProps, "parts"> & { version: number }) {
  const [asked, setAsked] = useState<Leds | null>(null);
  const [error, setError] = useState<unknown>(null);
  // Who wants nothing to move is asked by the browser; who wants it all the same presses the button.
  const [playing, setPlaying] = useState(() => !matchMedia("(prefers-reduced-motion: reduce)").matches);
  useEffect(() => {
    let here = true;
    get<Leds>("api/leds").then((leds) => here && setAsked(leds), (wrong: unknown) => here && setError(wrong));
    return () => {
      here = false;
    };
  }, []);
  // The card never changes while the daemon runs; what is shown does, and events tell.
  const leds = host.value?.leds ?? asked;
  const has = (leds?.lamps ?? []).map(({ lamp }) => lamp).filter(isBoxLamp) as BoxLamp[];
  const hours = valueAt(form.settings, "leds.quiet_hours");
  const quietUntil = typeof hours === "string" ? hours.split("-")[1] ?? null : null;
  return (
    <>
      {error !== null && <ErrorNotice error={error} />}
      {asked && leds && <Now leds={leds} card={asked.card} quietUntil={quietUntil} playing={playing} />}
      <SettingsForm key={version} {...form} />
      {asked && leds && <Card card={asked.card} shows={leds.shows} has={has} playing={playing} onPlay={setPlaying} />}
    </>
  );
}
