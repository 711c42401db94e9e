// An LED's pattern as the card has it, made into what a browser plays and a strip that paper shows.
import type { BoxLamp, LedStep } from "../types";

/** What every strip shows, ms. */
export const STRIP_MS = 4_000;

export const LAMPS: readonly BoxLamp[] = ["green", "red", "act"];
export const LAMP_NAME: Record<BoxLamp, string> = { green: "Green", red: "Red", act: "ACT" };

export const period = (steps: readonly LedStep[]) => steps.reduce((sum, { ms }) => sum + ms, 0);

/** A counting row's steps for so many blinks; the card has them for two: on, gap, on, pause. */
export function counted(steps: readonly LedStep[], count: number): LedStep[] {
  const [on, gap] = steps;
  const pause = steps[steps.length - 1];
  if (!on || !gap || !pause || count < 1) return [...steps];
  return Array.from({ length: count }, (_, i) => [on, i + 1 === count ? pause : gap]).flat();
}

/** How bright it looks, 0 to 1: eyes take a tenth of the light for more than a tenth. */
export const looks = (percent: number) => Math.sqrt(Math.min(100, Math.max(0, percent)) / 100);

/** Whether this LED ever changes in the pattern. */
export const moves = (steps: readonly LedStep[], lamp: BoxLamp) => steps.some((step) => step[lamp] !== steps[0]?.[lamp]);

/** Keyframes that jump from step to step, for `Element.animate`. */
export function keyframes(steps: readonly LedStep[], lamp: BoxLamp): Keyframe[] {
  const whole = period(steps);
  let begins = 0;
  const frames = steps.map((step) => {
    const frame: Keyframe = { offset: begins / whole, opacity: looks(step[lamp]), easing: "step-end" };
    begins += step.ms;
    return frame;
  });
  return [...frames, { offset: 1, opacity: looks(steps[steps.length - 1]?.[lamp] ?? 0) }];
}

export interface Lit {
  /** When it begins and how long it lasts, ms from the strip's begin. */
  from: number;
  ms: number;
  /** 0 to 1. */
  light: number;
}

/** Where the strip is lit, what follows one another alike in one piece. */
export function strip(steps: readonly LedStep[], lamp: BoxLamp): Lit[] {
  const pieces: Lit[] = [];
  if (period(steps) <= 0) return pieces;
  for (let at = 0, i = 0; at < STRIP_MS; i += 1) {
    const step = steps[i % steps.length]!;
    const ms = Math.min(step.ms, STRIP_MS - at);
    const light = looks(step[lamp]);
    const last = pieces[pieces.length - 1];
    if (last && last.light === light && last.from + last.ms === at) last.ms += ms;
    else if (light > 0) pieces.push({ from: at, ms, light });
    at += step.ms;
  }
  return pieces;
}
