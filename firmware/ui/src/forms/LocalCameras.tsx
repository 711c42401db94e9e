// The cameras that are plugged in at the box, each a click away from being tried. Nothing at all where there is none.
import { Button, Name, Notice, Rich } from "../components";
import { to } from "../router";
import { camera as find } from "../store";
import type { LocalCamera } from "../types";
import { sentence } from "../words";

const FORMATS_SHOWN = 3;

export function LocalCameras({ cameras, chosen, onChoose }: {
  cameras: readonly LocalCamera[] | null;
  /** The URL in the form. */
  chosen: string;
  onChoose: (camera: LocalCamera) => void;
}) {
  if (!cameras || cameras.length === 0) return null;
  return (
    <section class="card" aria-labelledby="at-this-box">
      <h2 id="at-this-box">At this box</h2>
      <p class="soft">{cameras.length === 1 ? "One camera is plugged in." : `${cameras.length} cameras are plugged in.`} For one on the network, give its URL below.</p>
      <ul class="rows">{cameras.map((one) => <One key={one.node} camera={one} isChosen={one.url === chosen} onChoose={() => onChoose(one)} />)}</ul>
    </section>
  );
}

function One({ camera, isChosen, onChoose }: { camera: LocalCamera; isChosen: boolean; onChoose: () => void }) {
  const { name, bus, node, formats, stable, problem } = camera;
  const watched = camera.camera === null ? null : find(camera.camera);
  const more = formats.length - FORMATS_SHOWN;
  return (
    <li>
      <div>
        <strong><Name text={name} /></strong>
        <p class="soft small">{node} at {bus}</p>
        {formats.length > 0 && <p class="soft small">{formats.slice(0, FORMATS_SHOWN).join(" · ")}{more > 0 && ` and ${more} more`}</p>}
        {problem !== null && <Notice mood="warning"><Rich text={sentence(problem)} /></Notice>}
        {problem === null && !stable && camera.camera === null && (
          <p class="soft small">It has no lasting name: after a restart, or at another port, its URL may mean another camera.</p>)}
      </div>
      {camera.camera !== null
        ? <span>Watched as <a href={to.camera(camera.camera)}><Name text={watched?.name ?? camera.camera} /></a></span>
        : problem === null && <Button look={isChosen ? "plain" : "main"} onClick={onChoose}>{isChosen ? "Try it again" : "Use it"}<span class="unseen">: {name}, {node}</span></Button>}
    </li>
  );
}
