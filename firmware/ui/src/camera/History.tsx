// What was: latency, time to the first frame, frame rate and bit rate over an hour to a year, and the CSV of it.
import { useMemo, useState } from "preact/hooks";
import { href, part } from "../api";
import { ErrorNotice, LinkButton } from "../components";
import { Chart, type Line } from "../components/Chart";
import type { CameraView, History as Series, HistoryPoint } from "../types";
import { boxNow, millis } from "../words";
import { useAsked } from "./ask";

const DAY_MS = 86_400_000;
/** The box tells the last so many checks; fewer, and the camera is new. */
const YOUNG_CHECKS = 40;
export const RANGES = [
  { days: 1 / 24, text: "1 h" },
  { days: 1, text: "24 h" },
  { days: 7, text: "7 d" },
  { days: 30, text: "30 d" },
  { days: 365, text: "365 d" },
] as const;

/** `from` and `to` as a query, on full minutes so that a second look can be the same call. */
export function period(days: number): string {
  const to = Math.ceil(boxNow() / 60_000) * 60_000;
  return `from=${new Date(to - days * DAY_MS).toISOString()}&to=${new Date(to).toISOString()}`;
}

export function History({ camera }: { camera: CameraView }) {
  // A camera that was added within the hour has nothing older to show.
  const [days, setDays] = useState<number>(() => (camera.recent.length < YOUNG_CHECKS ? 1 / 24 : 1));
  // A new check of the day may change the charts; asked for each minute at most.
  const minute = Math.floor(Date.parse(camera.checked_at ?? "1970-01-01") / 60_000);
  const query = useMemo(() => period(days), [days, minute]);
  const { value, error } = useAsked<Series>(`api/streams/${part(camera.id)}/history?${query}`);
  const csv = (what: "history" | "checks") => `${href(`api/streams/${part(camera.id)}/${what}.csv`)}?${query}`;
  return (
    <section aria-labelledby="history">
      <div class="head bar">
        <h2 id="history">History</h2>
        <div class="choices" role="group" aria-label="Period">
          {RANGES.map((range) => (
            <button key={range.days} type="button" class="button" aria-pressed={days === range.days} onClick={() => setDays(range.days)}>{range.text}</button>
          ))}
        </div>
      </div>
      {error != null && <ErrorNotice error={error} />}
      {value ? <Charts series={value} /> : error == null && <p class="soft">Loading …</p>}
      <div class="actions">
        <LinkButton icon="download" href={csv("history")} download>CSV of these points</LinkButton>
        <LinkButton icon="download" href={csv("checks")} download>CSV of every check</LinkButton>
      </div>
    </section>
  );
}

interface Drawing {
  title: string;
  format: (value: number) => string;
  lines: { label: string; colour: string; of: (point: HistoryPoint) => number | null | undefined }[];
}

const DRAWINGS: Drawing[] = [
  {
    title: "Latency", format: millis,
    lines: [{ label: "median", colour: "--line-1", of: (point) => point.p50_ms }, { label: "95 %", colour: "--line-2", of: (point) => point.p95_ms }],
  },
  { title: "Time to first frame", format: millis, lines: [{ label: "median", colour: "--line-1", of: (point) => point.first_frame_ms }] },
  { title: "Frame rate", format: (value) => `${Number(value.toFixed(1))} fps`, lines: [{ label: "median", colour: "--line-1", of: (point) => point.fps }] },
  { title: "Bit rate", format: bitRate, lines: [{ label: "median", colour: "--line-1", of: (point) => point.kbps }] },
];

function bitRate(kbps: number): string {
  return kbps >= 1000 ? `${(kbps / 1000).toFixed(1)} Mbit/s` : `${Math.round(kbps)} kbit/s`;
}

function Charts({ series }: { series: Series }) {
  const drawn = useMemo(() => {
    const times = series.points.map((point) => Date.parse(point.from) / 1000);
    return DRAWINGS.map((drawing) => {
      const lines = drawing.lines.map(({ label, colour, of }): Line => ({ label, colour, values: series.points.map((point) => of(point) ?? null) }));
      return { drawing, times, lines, said: inWords(drawing, lines) };
    });
  }, [series]);
  return (
    <div class="charts">
      {drawn.map(({ drawing, times, lines, said }) => (
        <Chart key={drawing.title} title={drawing.title} times={times} lines={lines} format={drawing.format} said={said} />
      ))}
    </div>
  );
}

/** `Median 41 ms, between 38 ms and 120 ms; last 44 ms.` */
function inWords({ format, lines: [first] }: Drawing, [line]: Line[]): string {
  const known = (line?.values ?? []).filter((value) => value !== null);
  const last = known.at(-1);
  if (last === undefined || !first) return "Nothing was measured in this period.";
  const sorted = known.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)] ?? last;
  return `Median ${format(middle)}, between ${format(sorted[0] ?? last)} and ${format(sorted.at(-1) ?? last)}; last ${format(last)}.`;
}
