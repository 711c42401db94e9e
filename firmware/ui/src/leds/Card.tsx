// The LED card: every pattern, what it means and what to do; on paper it is alone on its page.
import { Button } from "../components";
import { session } from "../session";
import type { BoxLamp, LedRow } from "../types";
import { sentence } from "../words";
import { Lamp, Strip } from "./Lamp";
import { LAMP_NAME, LAMPS } from "./pattern";

interface Props {
  card: readonly LedRow[];
  /** The row that is shown now. */
  shows: string | null;
  /** The LEDs that this box has. */
  has: readonly BoxLamp[];
  playing: boolean;
  onPlay: (playing: boolean) => void;
}

export function Card({ card, shows, has, playing, onPlay }: Props) {
  return (
    <section class="card led-card" aria-labelledby="led-card">
      <div class="head">
        <h2 id="led-card">LED card</h2>
        <Button look="quiet" icon={playing ? "pause" : "play"} onClick={() => onPlay(!playing)}>{playing ? "Hold still" : "Let it blink"}</Button>
        <Button icon="print" onClick={() => window.print()}>Print</Button>
      </div>
      <p class="on-paper"><strong>Pulsebox {session.value?.name}</strong>, its page: {location.origin}{location.pathname === "/" ? "" : location.pathname}</p>
      <p class="soft">The first row that holds is shown, from the top. A strip is four seconds.</p>
      <table role="table">
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col">What holds</th>
            {LAMPS.map((lamp) => (
              <th role="columnheader" scope="col" key={lamp}>
                {LAMP_NAME[lamp]}{has.length > 0 && !has.includes(lamp) && <span class="soft small none"> (none here)</span>}
              </th>))}
            <th role="columnheader" scope="col">What to do</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {card.map((row) => <Row key={row.sign} row={row} isNow={row.sign === shows} playing={playing} />)}
        </tbody>
      </table>
      <p class="soft small act-says">ACT is the Pi’s own green LED, beside the red one for power.</p>
    </section>
  );
}

function Row({ row, isNow, playing }: { row: LedRow; isNow: boolean; playing: boolean }) {
  return (
    <tr role="row" aria-current={isNow ? "true" : undefined}>
      <th role="rowheader" scope="row">{sentence(row.holds).replace(/\.$/, "")}{isNow && <span class="tag">now</span>}</th>
      {LAMPS.map((lamp) => (
        <td role="cell" key={lamp}>
          <div class="says">
            <Lamp lamp={lamp} steps={row.steps} playing={playing} />
            <span><span class="which">{LAMP_NAME[lamp]}: </span>{row[lamp]}</span>
          </div>
          <Strip lamp={lamp} steps={row.steps} />
        </td>))}
      <td role="cell" class="advice">{row.advice}</td>
    </tr>
  );
}
