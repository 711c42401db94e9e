// One LED as the box shows it: a small lamp that blinks, and the same pattern as a strip for paper and for those
// who want nothing to move. Words stand beside both; screen readers read only these.
import { useEffect, useRef } from "preact/hooks";
import type { BoxLamp, LedStep } from "../types";
import { keyframes, looks, moves, period, strip, STRIP_MS } from "./pattern";

interface Props {
  lamp: BoxLamp;
  steps: readonly LedStep[];
}

/** Blinks only while `playing`; else it shows how the pattern begins. All lamps of a page are in step. */
export function Lamp({ lamp, steps, playing }: Props & { playing: boolean }) {
  const light = useRef<SVGCircleElement>(null);
  const pattern = JSON.stringify(steps);
  useEffect(() => {
    // By script: the content security policy allows no inline style.
    if (!playing || !light.current || !moves(steps, lamp)) return;
    const animation = light.current.animate(keyframes(steps, lamp), { duration: period(steps), iterations: Infinity });
    animation.startTime = 0;
    return () => animation.cancel();
  }, [playing, pattern, lamp]);
  return (
    <svg class="lamp" data-lamp={lamp} viewBox="0 0 20 20" width={20} height={20} aria-hidden="true" focusable="false">
      <circle class="glass" cx={10} cy={10} r={8} />
      <circle class="light" ref={light} cx={10} cy={10} r={8} opacity={looks(steps[0]?.[lamp] ?? 0)} />
    </svg>
  );
}

/** Four seconds of the pattern from left to right. */
export function Strip({ lamp, steps }: Props) {
  return (
    <svg class="strip" data-lamp={lamp} viewBox={`0 0 ${STRIP_MS} 10`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
      {strip(steps, lamp).map(({ from, ms, light }) => <rect key={from} x={from} y={0} width={ms} height={10} opacity={light} />)}
    </svg>
  );
}
