// A camera's picture: the last good one, or live. Says in words what it is doing, and plays nothing that
// nobody looks at: leaving the page ends it, and so does a tab that is hidden for long.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, href, part, told as inWords } from "../api";
import { Button, Icon, Rich, Select } from "../components";
import { Picture } from "./Picture";
import { refreshSession } from "../session";
import { link } from "../store";
import type { CameraView } from "../types";
import { codecName, span } from "../words";
import { Player, playsCodec, type PlayerState, type StreamKind } from "./player";

export type Quality = StreamKind | "low" | "medium" | "high";

const HIDDEN_MS = 30_000;
/** Opening a camera may take its time-out twice. */
const STILL_DEADLINE_MS = 60_000;
const SKIPPED_SHOWN_MS = 4_000;

interface Props {
  camera: CameraView;
  /** In a tile: play and stop only, over the picture. */
  compact?: boolean;
}

const isStill = (quality: Quality): quality is "low" | "medium" | "high" => quality !== "main" && quality !== "sub";

/** Whether the box can make JPEGs of one of its streams; a sub-stream's codec is known only once it is opened. */
function decodes({ stream, decoded, severity, live }: CameraView): boolean {
  const looked = severity === "ok" || severity === "warning";
  return (live?.sub ?? false) || !(stream?.codec === "h265" || (looked && decoded === false));
}

/** What can be chosen; where the browser plays the main stream not, that is said before anybody tries. */
function qualities(camera: CameraView): { value: Quality; text: string }[] {
  const main = playsCodec(camera.stream?.codec) ? "Main stream" : "Main stream (not playable)";
  return [
    { value: "main", text: main },
    ...(camera.live?.sub ? [{ value: "sub" as const, text: "Sub-stream" }] : []),
    ...(decodes(camera) ? STILLS : []),
  ];
}

const STILLS: { value: Quality; text: string }[] = [
  { value: "low", text: "MJPEG low (320 × 240)" },
  { value: "medium", text: "MJPEG medium (640 × 480)" },
  { value: "high", text: "MJPEG high (1280 × 720)" },
];

export function LiveView({ camera, compact = false }: Props) {
  const playable = playsCodec(camera.stream?.codec);
  const [chosen, setChosen] = useState<Quality | null>(null);
  const quality = chosen ?? (playable || !camera.live?.sub ? "main" : "sub");
  const [state, setState] = useState<PlayerState>({ is: "stopped" });
  const [skipped, setSkipped] = useState(0);
  const stage = useRef<HTMLDivElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const still = useRef<HTMLImageElement>(null);
  const player = useRef<Player | null>(null);
  /** The MJPEG that is to be shown; its error's words come late, and then nobody may want it any more. */
  const asked = useRef<Quality | null>(null);

  useEffect(() => {
    if (!video.current || !canvas.current) return;
    let timer: number | undefined;
    const told = (now: PlayerState) => {
      setState(now);
      // A socket does not say why it was refused: an ordinary call tells whether we are still signed in.
      if (now.is === "lost") refreshSession().catch(() => {});
    };
    const made = new Player(camera.id, video.current, canvas.current, told, (frames) => {
      setSkipped(frames);
      clearTimeout(timer);
      timer = window.setTimeout(() => setSkipped(0), SKIPPED_SHOWN_MS);
    });
    player.current = made;
    return () => {
      clearTimeout(timer);
      made.destroy();
      endStill(still.current);
    };
  }, [camera.id]);

  const play = (wanted: Quality) => {
    endStill(still.current);
    asked.current = wanted;
    if (!isStill(wanted)) {
      player.current?.start(wanted);
      return;
    }
    player.current?.stop();
    setState({ is: "connecting" });
    if (still.current) still.current.src = `${href(`api/streams/${part(camera.id)}/video`)}?quality=${wanted}`;
  };
  const stop = () => {
    endStill(still.current);
    asked.current = null;
    player.current?.stop();
  };
  const pause = () => {
    if (isStill(quality) && still.current && canvas.current) {
      keep(still.current, canvas.current);
      endStill(still.current);
      asked.current = null;
      setState({ is: "paused" });
    } else player.current?.pause();
  };

  const running = state.is === "connecting" || state.is === "playing" || state.is === "lost";
  // A tab that nobody looks at takes no stream; looked at again, it goes on.
  const latest = useRef({ running, pause, play: () => play(quality) });
  latest.current = { running, pause, play: () => play(quality) };
  useEffect(() => {
    let timer: number | undefined;
    let suspended = false;
    const turned = () => {
      clearTimeout(timer);
      if (!document.hidden) {
        if (suspended) latest.current.play();
        suspended = false;
      } else if (latest.current.running) {
        timer = window.setTimeout(() => {
          suspended = latest.current.running;
          if (suspended) latest.current.pause();
        }, HIDDEN_MS);
      }
    };
    document.addEventListener("visibilitychange", turned);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", turned);
    };
  }, []);

  // What broke off goes on by itself once the camera is back.
  const broken = state.is === "ended" || state.is === "error";
  useEffect(() => {
    if (broken && (camera.state === "up" || camera.state === "degraded")) latest.current.play();
  }, [camera.state]);

  const playing = state.is === "playing";
  const moving = playing && !isStill(quality);
  const refused = quality === "main" && !playable && !running;
  return (
    <div class={compact ? "live compact" : "live"}>
      <div class="stage" ref={stage} data-state={state.is}>
        <Picture camera={camera} covered={state.is !== "stopped" && state.is !== "connecting"} />
        <video ref={video} class={moving ? "moving" : "moving waiting"} playsInline muted aria-hidden={!moving} aria-label={`Live picture of ${camera.name}`} />
        <canvas ref={canvas} class="moving" hidden />
        <img
          ref={still}
          class="moving"
          hidden
          alt={`Live picture of ${camera.name}`}
          onLoad={(event) => {
            if (!event.currentTarget.getAttribute("src")) return;
            event.currentTarget.hidden = false;
            if (canvas.current) canvas.current.hidden = true;
            const { naturalWidth: width, naturalHeight: height } = event.currentTarget;
            setState({ is: "playing", stream: "main", codec: "mjpeg", width, height, fps: null });
          }}
          onError={(event) => {
            if (!event.currentTarget.getAttribute("src")) return;
            const src = event.currentTarget.getAttribute("src") ?? "";
            endStill(event.currentTarget);
            whyNoStill(src).then(({ what, do: advice }) => {
              if (asked.current === quality) setState({ is: "error", message: what, advice });
            });
          }}
        />
        <Words state={state} compact={compact} skipped={skipped} />
        {!compact && (
          <div class="over in-full">
            {running
              ? <Button icon="pause" label="Pause" onClick={pause} />
              : <Button icon="play" label="Play" onClick={() => play(quality)} disabled={refused} />}
            <Button icon="down" label="Leave full screen" onClick={() => fullScreen(stage.current, video.current)} />
          </div>
        )}
        {compact && (
          <div class="over">
            {running
              ? <Button icon="stop" label={`Stop ${camera.name}`} onClick={stop} />
              : refused
                ? <span class="age">{codecName(camera.stream?.codec ?? "")}: not in this browser</span>
                : <Button icon="play" label={`Play ${camera.name}`} onClick={() => play(quality)} />}
          </div>
        )}
      </div>
      {refused && !compact && <Refusal camera={camera} />}
      {!compact && (
        <div class="controls">
          {running
            ? <Button look="main" icon="pause" onClick={pause}>Pause</Button>
            : <Button look="main" icon="play" onClick={() => play(quality)} disabled={refused}>Play</Button>}
          <Button icon="stop" onClick={stop} disabled={state.is === "stopped"}>Stop</Button>
          <Button icon="full" label="Full screen" onClick={() => fullScreen(stage.current, video.current)} />
          <Select
            label="Quality"
            value={quality}
            options={qualities(camera)}
            onValue={(value) => {
              setChosen(value as Quality);
              if (running) play(value as Quality);
            }}
          />
        </div>
      )}
    </div>
  );
}

/** What is going on, for eyes and screen readers. */
function Words({ state, compact, skipped }: { state: PlayerState; compact: boolean; skipped: number }) {
  return (
    <div class="words" role="status">
      {state.is === "connecting" && <p><span class="spinner" aria-hidden="true" /> Connecting …</p>}
      {state.is === "playing" && Boolean(state.stalledSeconds) && (
        <p><span class="spinner" aria-hidden="true" /> No picture for {span((state.stalledSeconds ?? 0) * 1000)}</p>
      )}
      {state.is === "playing" && !state.stalledSeconds && (
        <p class="is-live"><span class="dot" aria-hidden="true" />Live{!compact && state.width > 0 && <span class="small"> {codecName(state.codec)} {state.width} × {state.height}</span>}
          {skipped > 0 && <span class="small"> · {skipped} frames left out</span>}</p>
      )}
      {state.is === "paused" && <p><Icon name="pause" size={14} /> Paused</p>}
      {state.is === "lost" && <p><span class="spinner" aria-hidden="true" /> {state.opened || link.value.state !== "live" ? "Connection lost" : "No live view (too many open?)"}, trying again …</p>}
      {state.is === "unsupported" && <p class="bad">This browser cannot play {codecName(state.codec)}.{!compact && " Choose another quality."}</p>}
      {(state.is === "error" || state.is === "ended") && (
        <p class="bad"><strong>{state.message}{/[.!?]$/.test(state.message) ? "" : "."}</strong>{!compact && state.advice && <> <Rich text={state.advice} /></>}</p>
      )}
    </div>
  );
}

function Refusal({ camera }: { camera: CameraView }) {
  return (
    <p class="soft small refusal">
      This browser does not play {codecName(camera.stream?.codec ?? "")}.{" "}
      {camera.live?.sub
        ? "Choose the sub-stream."
        : "Use Safari, or Chrome or Edge on a device with an H.265 decoder; or give the camera an H.264 sub-stream under Edit."}
    </p>
  );
}

/** An image does not say why it failed: the same call, asked in plain, does. */
async function whyNoStill(src: string): Promise<{ what: string; do: string }> {
  const enough = new AbortController();
  try {
    await call("GET", src, undefined, { headers: { accept: "*/*" }, signal: enough.signal, deadlineMs: STILL_DEADLINE_MS });
    // It would play now: no more of it is wanted.
    return { what: "The picture broke off", do: "The camera answers again: press Play." };
  } catch (error) {
    return inWords(error);
  } finally {
    enough.abort();
  }
}

function endStill(still: HTMLImageElement | null): void {
  if (!still) return;
  still.hidden = true;
  still.removeAttribute("src");
}

/** The picture of an image that is about to go. */
function keep(image: HTMLImageElement, canvas: HTMLCanvasElement): void {
  if (image.naturalWidth === 0) return;
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  canvas.getContext("2d")?.drawImage(image, 0, 0);
  canvas.hidden = false;
}

function fullScreen(stage: HTMLElement | null, video: HTMLVideoElement | null): void {
  if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
  else if (stage?.requestFullscreen) stage.requestFullscreen().catch(() => {});
  // iPhones show only a video in full.
  else (video as unknown as { webkitEnterFullscreen?: () => void } | null)?.webkitEnterFullscreen?.();
}
