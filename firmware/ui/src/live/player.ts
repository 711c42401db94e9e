// One live view: a socket to the box, fragmented MP4 into the browser's Media Source, or whole JPEGs onto a
// canvas. It stays at the live edge, holds little, takes a lost socket up again by itself, and says all the
// time what it is doing. It knows no view library; LiveView.tsx puts it on the page.
import { part } from "../api";

export type StreamKind = "main" | "sub";

export type PlayerState =
  | { is: "stopped" }
  | { is: "connecting" }
  | { is: "playing"; stream: StreamKind; codec: string; width: number; height: number; fps: number | null; stalledSeconds?: number }
  /** The last picture stays; nothing is sent. */
  | { is: "paused" }
  /** The socket was lost; tried again by itself. */
  | { is: "lost"; opened: boolean; retryMs: number }
  /** The upstream broke after playing (`ended`), or could not be opened (`error`); tried again by itself, more seldom each time. */
  | { is: "ended" | "error"; message: string; advice: string }
  /** This browser cannot play what the camera sends. */
  | { is: "unsupported"; codec: string };

interface Status {
  status: "connecting" | "playing" | "skipped" | "stopped" | "ended" | "error";
  stream?: StreamKind;
  codec?: string;
  mime?: string;
  width?: number;
  height?: number;
  fps?: number | null;
  frames?: number;
  /** The verdict in capitals. */
  code?: string;
  message?: string;
  advice?: string;
}

/** What no further try makes better; a wrong password tried again and again locks cameras. */
const FOR_GOOD = ["AUTH", "NOT_FOUND", "UNSUPPORTED", "COMMAND"];

/** Waiting for the browser to take them; more, and the view begins anew at a key frame. */
const QUEUE_BYTES_MAX = 16 << 20;
const QUEUE_LENGTH_MAX = 500;
/** Kept between what is shown and the newest frame, so that a late packet is not seen: this, or some frames. */
const CUSHION_S = 0.25;
const CUSHION_FRAMES = 2.5;
/** Further behind than this (and twice the cushion), jump; behind by less, play a little faster. */
const BEHIND_JUMP_S = 2;
const BEHIND_HURRY_S = 0.4;
/** What was played is thrown away beyond this. */
const KEEP_PLAYED_S = 10;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 30_000;
/** A picture that stands longer than this (and than some frames of a slow camera) is not called live. */
const STALLED_MS = 2_500;
const STALLED_FRAMES = 4;
/** A camera that broke off is opened again after this, doubling while it goes on failing. */
const REOPEN_MIN_MS = 5_000;
const REOPEN_MAX_MS = 60_000;
/** A view that must begin anew twice within this will not get better by a third time. */
const ANEW_AGAIN_MS = 5_000;
/** How long "playing" may stand without a frame shown before the browser's decoder is told to be stuck. */
const SILENT_MS = 15_000;

/** iPhones have only the managed kind. */
const MediaSourceKind: typeof MediaSource | undefined =
  (window as unknown as { ManagedMediaSource?: typeof MediaSource }).ManagedMediaSource ?? window.MediaSource;

/** Whether this browser plays a mime type by Media Source Extensions. */
export function plays(mime: string): boolean {
  return MediaSourceKind?.isTypeSupported(mime) ?? false;
}

/** Whether it plays a codec at all, asked before anything is opened. JPEG is drawn by ourselves. */
export function playsCodec(codec: string | null | undefined): boolean {
  if (codec === "h265") return plays('video/mp4; codecs="hvc1.1.6.L93.B0"') || plays('video/mp4; codecs="hev1.1.6.L93.B0"');
  if (codec === "h264") return plays('video/mp4; codecs="avc1.64001f"');
  return true;
}

type Playing = Extract<PlayerState, { is: "playing" }>;

export class Player {
  private socket: WebSocket | null = null;
  private media: { source: MediaSource; url: string; buffer: SourceBuffer | null; mime: string } | null = null;
  private queue: ArrayBuffer[] = [];
  private queued = 0;
  private drawing = false;
  private next: ArrayBuffer | null = null;
  private jpeg = false;
  private asked: StreamKind | null = null;
  private retryMs = RETRY_MIN_MS;
  private retry: number | undefined;
  private watch: number | undefined;
  private reopenMs = REOPEN_MIN_MS;
  private anewAt = -ANEW_AGAIN_MS;
  private begun: Playing | null = null;
  private shown: Playing | null = null;
  private cushion = CUSHION_S;
  private lastFrame = 0;
  private askedAnew = 0;
  private frames = 0;

  constructor(
    private readonly camera: string,
    private readonly video: HTMLVideoElement,
    /** JPEG sources, and the last picture while there is no newer one. */
    private readonly canvas: HTMLCanvasElement,
    private readonly told: (state: PlayerState) => void,
    private readonly skipped: (frames: number) => void,
  ) {
    video.muted = true;
    video.disableRemotePlayback = true;
  }

  /** Opens, or changes to the other stream. */
  start(stream: StreamKind): void {
    clearTimeout(this.retry);
    this.asked = stream;
    this.retryMs = RETRY_MIN_MS;
    this.reopenMs = REOPEN_MIN_MS;
    this.anewAt = -ANEW_AGAIN_MS;
    this.told({ is: "connecting" });
    if (this.socket?.readyState === WebSocket.OPEN) this.say({ cmd: "start", stream });
    else this.connect();
  }

  /** Keeps the last picture; the box sends no more. */
  pause(): void {
    this.freeze();
    this.end();
    this.told({ is: "paused" });
  }

  /** Gives up socket and picture. */
  stop(): void {
    this.end();
    this.canvas.hidden = true;
    this.told({ is: "stopped" });
  }

  /** As stop, and says nothing any more. */
  destroy(): void {
    this.end();
  }

  private end(): void {
    this.asked = null;
    clearTimeout(this.retry);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.dropMedia();
  }

  private say(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private connect(): void {
    clearTimeout(this.retry);
    const old = this.socket;
    this.socket = null;
    old?.close();
    const url = new URL(`api/streams/${part(this.camera)}/live`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.hash = "";
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    let opened = false;
    socket.onopen = () => {
      if (socket !== this.socket) return;
      opened = true;
      this.say({ cmd: "start", stream: this.asked });
    };
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (socket !== this.socket) return;
      if (typeof data === "string") this.hear(data);
      else if (this.jpeg) this.draw(data);
      else this.take(data);
    };
    socket.onclose = () => {
      if (socket === this.socket) this.lose(opened);
    };
  }

  /** The socket went: again, later each time. */
  private lose(opened: boolean): void {
    this.socket = null;
    if (!this.asked) return;
    this.freeze();
    this.dropMedia();
    const retryMs = this.retryMs;
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MAX_MS);
    this.told({ is: "lost", opened, retryMs });
    this.retry = window.setTimeout(() => this.connect(), retryMs);
  }

  private hear(text: string): void {
    let status: Status;
    try {
      status = JSON.parse(text) as Status;
    } catch {
      return;
    }
    switch (status.status) {
      case "connecting":
        // While a broken view is opened again by itself, what broke it stays to be read.
        if (this.reopenMs === REOPEN_MIN_MS) this.told({ is: "connecting" });
        return;
      case "playing":
        this.play(status);
        return;
      case "skipped":
        this.skipped(status.frames ?? 0);
        return;
      case "stopped":
        return; // we asked for it
      case "ended":
      case "error":
        this.breakOff(status);
    }
  }

  /** The camera failed: said, and opened again later, more seldom each time. */
  private breakOff({ status, code = "", message = "The camera cannot be shown", advice = "" }: Status): void {
    const stream = this.asked;
    this.freeze();
    this.end();
    // Why it broke the next try tells: the words of a verdict are made for a camera that never played.
    if (status === "ended") this.told({ is: "ended", message: "The camera broke off while playing", advice: "It is tried again by itself." });
    else this.told({ is: "error", message, advice });
    if (!stream || FOR_GOOD.includes(code)) return;
    this.asked = stream;
    this.retry = window.setTimeout(() => this.reopen(), this.reopenMs);
    this.reopenMs = Math.min(this.reopenMs * 2, REOPEN_MAX_MS);
  }

  private reopen(): void {
    // A hidden tab takes no stream; it is opened when somebody looks.
    if (document.hidden) this.retry = window.setTimeout(() => this.reopen(), REOPEN_MIN_MS);
    else this.connect();
  }

  /** The same stream from its next key frame; where that does not help, it is said. */
  private anew(): void {
    if (Date.now() - this.anewAt < ANEW_AGAIN_MS) {
      this.freeze();
      this.end();
      this.told({
        is: "error", message: "This browser’s decoder fails on this stream",
        advice: "Choose another quality, MJPEG for one, or try another browser.",
      });
      return;
    }
    this.anewAt = Date.now();
    this.say({ cmd: "reconnect" });
  }

  private play(status: Status): void {
    const { mime = "", codec = "", stream = "main", width = 0, height = 0, fps = null } = status;
    this.retryMs = RETRY_MIN_MS;
    this.freeze();
    this.dropMedia();
    this.jpeg = mime === "image/jpeg";
    if (!this.jpeg && !plays(mime)) {
      this.end();
      this.told({ is: "unsupported", codec });
      return;
    }
    if (!this.jpeg) this.openMedia(mime);
    // Told once a picture is seen: "playing" over nothing would be a lie.
    this.cushion = Math.max(CUSHION_S, fps ? CUSHION_FRAMES / fps : 0);
    this.begun = { is: "playing", stream, codec, width, height, fps };
    this.watchOver();
  }

  // --- fragmented MP4 ----------------------------------------------------------------------------

  private openMedia(mime: string): void {
    if (!MediaSourceKind) return;
    const source = new MediaSourceKind();
    const media = { source, url: URL.createObjectURL(source), buffer: null as SourceBuffer | null, mime };
    this.media = media;
    source.addEventListener("sourceopen", () => {
      if (this.media !== media || media.buffer) return;
      try {
        media.buffer = source.addSourceBuffer(mime);
      } catch {
        this.end();
        this.told({ is: "unsupported", codec: mime });
        return;
      }
      media.buffer.addEventListener("updateend", () => {
        if (this.media === media) this.feed();
      });
      this.feed();
    });
    this.video.src = media.url;
  }

  private dropMedia(): void {
    clearInterval(this.watch);
    this.queue = [];
    this.queued = 0;
    this.next = null;
    this.jpeg = false;
    this.begun = null;
    this.shown = null;
    if (!this.media) return;
    const { url } = this.media;
    this.media = null;
    this.video.removeAttribute("src");
    this.video.load();
    URL.revokeObjectURL(url);
  }

  private take(segment: ArrayBuffer): void {
    if (!this.media) return;
    this.queue.push(segment);
    this.queued += segment.byteLength;
    if (this.queue.length > QUEUE_LENGTH_MAX || this.queued > QUEUE_BYTES_MAX) {
      this.queue = [];
      this.queued = 0;
      this.anew();
      return;
    }
    this.feed();
  }

  private feed(): void {
    const buffer = this.media?.buffer;
    if (!buffer || buffer.updating || this.media?.source.readyState !== "open") return;
    this.keepUp();
    const played = this.video.currentTime - KEEP_PLAYED_S;
    try {
      if (buffer.buffered.length > 0 && played - buffer.buffered.start(0) > KEEP_PLAYED_S) {
        buffer.remove(0, played);
        return;
      }
      const segment = this.queue[0];
      if (!segment) return;
      buffer.appendBuffer(segment);
      this.queue.shift();
      this.queued -= segment.byteLength;
    } catch (error) {
      // Full: what was played goes, and the rest is tried again when that is done.
      if ((error as DOMException).name === "QuotaExceededError" && this.video.currentTime > 0.5) buffer.remove(0, this.video.currentTime - 0.3);
      else this.anew();
    }
  }

  /** Stays at the live edge, and steps over what the box left out. */
  private keepUp(): void {
    const { video } = this;
    const ranges = this.media?.buffer?.buffered;
    if (!ranges || ranges.length === 0) return;
    const start = ranges.start(ranges.length - 1);
    const end = ranges.end(ranges.length - 1);
    if (video.currentTime < start) video.currentTime = start;
    const behind = end - video.currentTime;
    if (video.paused) {
      // The first frame is shown already; it moves once there is a cushion, from as near the edge as that allows.
      if (behind < this.cushion) return;
      if (behind > this.cushion + BEHIND_HURRY_S) video.currentTime = Math.max(start, end - this.cushion);
      video.play().catch(() => {}); // muted: allowed; refused only while hidden, and tried again with the next frame
      return;
    }
    if (behind > Math.max(BEHIND_JUMP_S, 2 * this.cushion) || behind < -0.5) video.currentTime = Math.max(start, end - this.cushion);
    video.playbackRate = behind > this.cushion + BEHIND_HURRY_S ? 1.1 : behind < this.cushion / 2 ? 0.93 : 1;
  }

  /** Shows the video once it has a frame, and notices where none comes. */
  private watchOver(): void {
    clearInterval(this.watch);
    this.lastFrame = this.askedAnew = Date.now();
    this.frames = 0;
    let before = 0;
    this.watch = window.setInterval(() => {
      const count = this.jpeg ? this.frames : this.video.getVideoPlaybackQuality().totalVideoFrames;
      // A page in the background draws nothing: no sign of the camera.
      if (count !== before || document.hidden) this.lastFrame = this.askedAnew = Date.now();
      before = count;
      if (!this.jpeg && this.video.readyState >= 2 && count > 0) this.seen();
      this.tellStalled();
      if (!this.jpeg && Date.now() - this.askedAnew > SILENT_MS) {
        this.askedAnew = Date.now();
        this.say({ cmd: "reconnect" });
      }
    }, 100);
  }

  /** Says for how many seconds the picture has stood still; 0 again with the next frame. */
  private tellStalled(): void {
    if (!this.shown) return;
    const still = Date.now() - this.lastFrame;
    const most = Math.max(STALLED_MS, this.shown.fps ? (STALLED_FRAMES * 1000) / this.shown.fps : 0);
    const stalledSeconds = still > most ? Math.floor(still / 1000) : 0;
    if (stalledSeconds === (this.shown.stalledSeconds ?? 0)) return;
    this.shown = { ...this.shown, stalledSeconds };
    this.told(this.shown);
  }

  /** The first picture is there. */
  private seen(): void {
    if (!this.begun) return;
    this.told(this.begun);
    this.shown = this.begun;
    this.begun = null;
    this.reopenMs = REOPEN_MIN_MS;
    this.canvas.hidden = !this.jpeg;
  }

  /** Keeps what is seen on the canvas, so that no black comes between. */
  private freeze(): void {
    const { video, canvas } = this;
    if (!this.media || video.readyState < 2 || video.videoWidth === 0) return;
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    canvas.hidden = false;
  }

  // --- JPEG --------------------------------------------------------------------------------------

  /** Draws the newest; one that comes while another is being decoded waits, and only the last of them. */
  private draw(jpeg: ArrayBuffer): void {
    if (this.drawing) {
      this.next = jpeg;
      return;
    }
    this.drawing = true;
    createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }))
      .then((picture) => {
        if (this.jpeg) {
          if (this.canvas.width !== picture.width) this.canvas.width = picture.width;
          if (this.canvas.height !== picture.height) this.canvas.height = picture.height;
          this.canvas.getContext("2d")?.drawImage(picture, 0, 0);
          this.seen();
          this.canvas.dataset.frames = String((this.frames += 1));
        }
        picture.close();
      })
      .catch(() => {}) // a damaged picture is left out
      .finally(() => {
        this.drawing = false;
        const { next } = this;
        this.next = null;
        if (next && this.jpeg) this.draw(next);
      });
  }
}
