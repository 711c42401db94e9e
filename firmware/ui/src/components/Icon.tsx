// Small drawn icons, one stroke each, in the colour of the text around them.
import type { State } from "../types";

const PATHS = {
  up: "M3 8.5l3.5 3.5L13 4.5",
  degraded: "M8 3v6M8 12.5v.2",
  down: "M4 4l8 8M12 4l-8 8",
  unknown: "M5.5 5.7a2.5 2.5 0 1 1 3.7 2.2C8.3 8.4 8 8.9 8 9.7M8 12.7v.2",
  paused: "M5.5 4v8M10.5 4v8",
  play: "M5 3.5l7.5 4.5L5 12.5z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  stop: "M4 4h8v8H4z",
  full: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  back: "M9.5 3L4.5 8l5 5",
  next: "M6.5 3l5 5-5 5",
  add: "M8 3v10M3 8h10",
  settings: "M2 5h6M12 5h2M2 11h2M8 11h6M10 3v4M6 9v4",
  refresh: "M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3",
  edit: "M3 13l.6-2.8L11 2.8l2.2 2.2-7.4 7.4L3 13z",
  remove: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5",
  download: "M8 2.5v7.5M4.5 7L8 10.3 11.5 7M3 13.3h10",
  print: "M4.5 6V2.5h7V6M4.5 11H2.5V6h11v5h-2M4.5 9.5h7v4h-7z",
  copy: "M5.5 5.5V3h7.5v7.5h-2.5M3 5.5h7.5V13H3z",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.5 10.5l3 3",
  out: "M6.5 3H3v10h3.5M9.5 5l3 3-3 3M12.5 8H6",
  camera: "M2 5h2.7l1-1.7h4.6l1 1.7H14v8H2zM8 6.5a2.5 2.5 0 1 0 .01 0z",
  grid: "M2.5 2.5h4.5v4.5H2.5zM9 2.5h4.5v4.5H9zM2.5 9h4.5v4.5H2.5zM9 9h4.5v4.5H9z",
} as const;

export type IconName = keyof typeof PATHS | State;

/** Said by the text beside it, so hidden from screen readers. */
export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width={size} height={size} aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
