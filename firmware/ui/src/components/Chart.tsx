// A line over time by uPlot, with the same in words under it for whoever sees no lines.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

export interface Line {
  label: string;
  /** The design token of its colour, for instance `--accent`. */
  colour: string;
  /** Null where nothing was measured: a gap. */
  values: (number | null)[];
}

interface Props {
  title: string;
  /** Seconds since 1970. */
  times: number[];
  lines: Line[];
  /** A value in words, for instance `41 ms`. */
  format: (value: number) => string;
  /** The summary in words. */
  said: string;
}

const HEIGHT = 170;

export function Chart({ title, times, lines, format, said }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const pointed = useRef<HTMLSpanElement>(null);
  const measured = lines.some((line) => line.values.some((value) => value !== null));
  useEffect(() => {
    const element = place.current;
    if (!element || !measured) return;
    let chart: uPlot | null = null;
    const draw = () => {
      chart?.destroy();
      chart = new uPlot(options(title, lines, format, element, pointed.current), [times, ...lines.map((line) => line.values)], element);
    };
    draw();
    const sized = new ResizeObserver(() => chart && element.clientWidth !== chart.width && chart.setSize({ width: element.clientWidth, height: HEIGHT }));
    sized.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    return () => {
      sized.disconnect();
      dark.removeEventListener("change", draw);
      chart?.destroy();
    };
  }, [times, lines]);
  return (
    <figure class="card chart">
      <h3>{title} <span ref={pointed} class="soft small" aria-hidden="true" /></h3>
      {measured && <div ref={place} class="plot" aria-hidden="true" />}
      <figcaption class="soft small">{said}</figcaption>
    </figure>
  );
}

/** A time of day, or the date where it is midnight or steps are days; as this person's country writes it. */
function timeLabel(seconds: number, step: number): string {
  const at = new Date(seconds * 1000);
  if (step >= 28 * 86_400) return at.toLocaleDateString(undefined, { month: "short", year: "2-digit" });
  if (step >= 86_400 || (at.getHours() === 0 && at.getMinutes() === 0)) return at.toLocaleDateString(undefined, { month: "short", day: "numeric" });
  return at.toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit" });
}

/** Points that have no neighbour to draw a line to: else nobody would see them. */
function alone({ values }: Line): () => number[] {
  const known = (i: number) => values[i] != null;
  const single = values.flatMap((_, i) => (known(i) && !known(i - 1) && !known(i + 1) ? [i] : []));
  return () => single;
}

function options(title: string, lines: Line[], format: (value: number) => string, element: HTMLElement, pointed: HTMLElement | null): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (token: string) => style.getPropertyValue(token).trim();
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--edge"), width: 1 }, ticks: { stroke: colour("--edge"), width: 1 }, font: "12px system-ui, sans-serif" };
  return {
    width: element.clientWidth || 300,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    scales: { y: { range: (_chart, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [{ ...axis, space: 70, values: (_chart, splits, _axis, _space, step) => splits.map((split) => timeLabel(split, step)) }, { ...axis, size: 84, values: (_chart, splits) => splits.map((split) => format(split)) }],
    series: [{ label: title }, ...lines.map((line): uPlot.Series => ({ label: line.label, stroke: colour(line.colour), width: 1.6, spanGaps: false, points: { show: true, size: 4, filter: alone(line) } }))],
    hooks: {
      // What lies under the pointer.
      setCursor: [(chart) => {
        if (!pointed) return;
        const { idx } = chart.cursor;
        const at = idx == null ? null : chart.data[0][idx];
        if (idx == null || at == null) {
          pointed.textContent = "";
          return;
        }
        const values = lines.map((line) => {
          const value = line.values[idx];
          return `${lines.length > 1 ? `${line.label} ` : ""}${value == null ? "not measured" : format(value)}`;
        });
        pointed.textContent = `${new Date(at * 1000).toLocaleString()}: ${values.join(", ")}`;
      }],
    },
  };
}
