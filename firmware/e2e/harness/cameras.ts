// Cameras to look at: simcam's, whose mood changes on demand, and GStreamer's RTSP server, which nobody here wrote.
import { join } from "node:path";
import { binary, ROOT } from "./places.ts";
import { Process } from "./process.ts";

export type Codec = "h264" | "h265" | "mjpeg";

/** One simulated camera. */
export class SimCamera {
  private constructor(private readonly process: Process, private readonly control: string, readonly url: string) {}

  /** `options` as `simcam --help` has them. */
  static async start(options: string[] = []): Promise<SimCamera> {
    const process = Process.start("simcam", binary("simcam"), ["--control", "127.0.0.1:0", ...options]);
    const url = await process.says((line) => /^camera-1\s+(\S+)/.exec(line)?.[1]);
    const control = await process.says((line) => /^control\s+(\S+)/.exec(line)?.[1]);
    return new SimCamera(process, control, url);
  }

  /** From now on it behaves like this, in sessions that run too. */
  async mood(name: string): Promise<void> {
    const answer = await fetch(`${this.control}/cameras/camera-1/mood`, { method: "PUT", body: name });
    if (!answer.ok) throw new Error(`simcam: ${await answer.text()}`);
  }

  /** How many sessions it has opened and closed, as simcam counts. */
  async stats(): Promise<Record<string, number>> {
    const answer = await fetch(`${this.control}/cameras`);
    const cameras = (await answer.json()) as { stats: Record<string, number> }[];
    return cameras[0]?.stats ?? {};
  }

  end(): Promise<void> {
    return this.process.end();
  }
}

/** A real RTSP server with a test picture. */
export class GStreamer {
  private constructor(private readonly process: Process, readonly url: string) {}

  static async start(codec: Codec = "h264"): Promise<GStreamer> {
    const script = join(ROOT, "firmware", "pulsebox", "tests", "real", "rtsp_server.py");
    const process = Process.start("rtsp_server.py", "/usr/bin/python3", [script, "--codec", codec]);
    const port = await process.says((line) => /"port": (\d+)/.exec(line)?.[1]);
    return new GStreamer(process, `rtsp://127.0.0.1:${port}/stream`);
  }

  end(): Promise<void> {
    return this.process.end();
  }
}
