// The last good picture, or a calm place that says why there is none.
import { useEffect, useState } from "preact/hooks";
import { href } from "../api";
import { Icon } from "../components";
import { now, words } from "../store";
import type { CameraView } from "../types";
import { cause, exact, lowerFirst, span } from "../words";

function whyNone(camera: CameraView): string {
  const live = camera.state === "up" || camera.state === "degraded";
  if (!live) return `No picture: ${lowerFirst(cause(camera, words).text)}`;
  return camera.decoded === false ? "No picture: it is not decoded" : "No picture yet";
}

/** `covered`: something lies over it; its age is then not shown. */
export function Picture({ camera, covered = false }: { camera: CameraView; covered?: boolean }) {
  const [broken, setBroken] = useState(false);
  const { thumbnail } = camera;
  useEffect(() => setBroken(false), [thumbnail?.etag]);
  const current = camera.state === "up" || camera.state === "degraded";
  if (!thumbnail || broken) {
    return (
      <div class="placeholder">
        <Icon name="camera" size={44} />
        <span>{broken ? "The picture could not be loaded" : whyNone(camera)}</span>
      </div>
    );
  }
  return (
    <>
      <img
        class={current ? "picture" : "picture stale"}
        src={`${href(thumbnail.url)}?v=${thumbnail.etag}`}
        alt={`${camera.name}, ${exact(thumbnail.at)}`}
        width={thumbnail.width}
        height={thumbnail.height}
        loading="lazy"
        decoding="async"
        onError={() => setBroken(true)}
      />
      {!current && !covered && <span class="age">last good picture, {span(now.value - Date.parse(thumbnail.at))} ago</span>}
    </>
  );
}
