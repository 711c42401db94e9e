// What the LEDs say now, in words, and how each of them is.
import { useState } from "preact/hooks";
import { send } from "../api";
import { Button, Name, Notice, Rich, toast, toastError } from "../components";
import { to } from "../router";
import { camera as find, cameras } from "../store";
import type { BoxLamp, LampStatus, LedRow, Leds, LedsStatus, LedStep } from "../types";
import { sentence } from "../words";
import { Lamp } from "./Lamp";
import { counted, LAMP_NAME, LAMPS } from "./pattern";

export const isBoxLamp = (lamp: string): lamp is BoxLamp => (LAMPS as readonly string[]).includes(lamp);

export function Now({ leds, card, quietUntil, playing }: { leds: LedsStatus; card: Leds["card"]; quietUntil: string | null; playing: boolean }) {
  const row = card.find(({ sign }) => sign === leds.shows);
  const own = leds.lamps.filter(({ lamp }) => isBoxLamp(lamp));
  const steps = row === undefined ? [] : leds.count > 0 ? counted(row.steps, leds.count) : row.steps;
  return (
    <section class="card leds-now" aria-label="LEDs now">
      <div class="head"><h2>What the LEDs say now</h2><Identify has={leds.lamps.length > 0} /></div>
      <div role="status">
        {row !== undefined && own.length > 0 ? (
          <p><strong>{sentence(row.holds)}</strong>{leds.count > 0 && ` ${blinks(leds.count)}`} <Next row={row} /></p>
        ) : <p>{silence(leds, quietUntil)}</p>}
        {row !== undefined && leds.is_quiet && <p class="soft">{silence(leds, quietUntil)}</p>}
      </div>
      {leds.lamps.length > 0 && <ul class="rows">{leds.lamps.map((lamp) => <One key={lamp.lamp} lamp={lamp} steps={steps} playing={playing} />)}</ul>}
    </section>
  );
}

/** On the page that it speaks of, the card's advice is a way there. */
function Next({ row: { sign, advice } }: { row: LedRow }) {
  switch (sign) {
    case "camera_down":
    case "camera_degraded": return <a href={to.wall}>Which, since when and why</a>;
    case "broker_lost": return <a href={to.settings("mqtt")}>Why, and what to do</a>;
    case "nothing_yet": return cameras.value?.length === 0 ? <a href={to.add}>Add a camera</a> : <>The first checks are under way.</>;
    default: return <>{advice}</>;
  }
}

const blinks = (count: number) => `${count === 1 ? "One blink" : `${count} blinks`}${count >= 9 ? ": nine or more" : ""}.`;

/** Why nothing is to be seen. */
function silence({ is_quiet, lamps }: LedsStatus, quietUntil: string | null): string {
  const own = lamps.filter(({ lamp }) => isBoxLamp(lamp));
  if (lamps.length === 0) return "This box has no LED: none is set below, and no ACT LED is here.";
  if (own.length === 0) return "The box has no LED of its own; a camera’s LED shows how that camera is.";
  if (own.every(({ problem }) => problem !== null)) return "No LED lights:";
  if (is_quiet) return `Quiet hours: the LEDs are dark${quietUntil === null ? "" : ` until ${quietUntil}`}.`;
  return "The LEDs are dark.";
}

function One({ lamp: { lamp, at, dims, problem }, steps, playing }: { lamp: LampStatus; steps: readonly LedStep[]; playing: boolean }) {
  const of = isBoxLamp(lamp) ? null : find(lamp);
  return (
    <li>
      <div>
        {isBoxLamp(lamp) && <Lamp lamp={lamp} steps={problem === null ? steps : []} playing={playing} />}
        <strong>{isBoxLamp(lamp) ? LAMP_NAME[lamp] : of ? <a href={to.camera(lamp)}><Name text={of.name} /></a> : lamp}</strong>
        <span class="soft small">{[at, dims && "can be dimmed"].filter(Boolean).join(", ")}</span>
        {problem !== null && <Notice mood="warning"><Rich text={sentence(problem)} /></Notice>}
      </div>
    </li>
  );
}

function Identify({ has }: { has: boolean }) {
  const [busy, setBusy] = useState(false);
  const identify = () => {
    setBusy(true);
    send("POST", "api/identify").then(() => toast(has ? "The LEDs blink fast for ten seconds, and every page that is open says so." : "Every page that is open says that this is the box.", "info"), toastError)
      .finally(() => setBusy(false));
  };
  return <Button busy={busy} onClick={identify}>Identify this box</Button>;
}
