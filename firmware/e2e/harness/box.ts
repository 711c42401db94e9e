// The box: the daemon itself, with a configuration and data of its own in a temporary folder.
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, freePort } from "./places.ts";
import { PATIENCE_MS, Process } from "./process.ts";

export const PASSWORD = "garden path 7";
const LOOK_AGAIN_MS = 50;

export interface Stream {
  name: string;
  url: string;
  /** More keys, as JSON (which is YAML). */
  [key: string]: unknown;
}

/** What the API says of a camera, as far as the tests read it. */
export interface CameraAnswer {
  id: string;
  name: string;
  state: string;
  [key: string]: unknown;
}

export class Box {
  private process: Process | undefined;
  private cookie = "";

  private constructor(private readonly folder: string, readonly port: number, private readonly isAppliance: boolean) {}

  /** Starts a box that watches `streams`; `more` is YAML below them. */
  static async start(streams: Stream[] = [], more = "", isAppliance = false): Promise<Box> {
    const box = new Box(await mkdtemp(join(tmpdir(), "pulsebox-page-")), await freePort(), isAppliance);
    for (const name of ["box", "pulsebox"]) await mkdir(box.run(name), { recursive: true });
    const listed = streams.length === 0 ? "" : `streams:\n${streams.map((one) => `  - ${JSON.stringify(one)}\n`).join("")}`;
    const web = more.includes("web:") ? more.replace(/web: \{/, `web: { listen: "${box.host}",`) : `web: { listen: "${box.host}" }\n${more}`;
    await box.writeConfig(`heartbeat_seconds: 5\n${web}\n${listed}`);
    await box.up();
    return box;
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  get origin(): string {
    return `http://${this.host}`;
  }

  /** Starts the daemon and waits until its page answers. */
  async up(): Promise<void> {
    const words = ["run", "--config", join(this.folder, "pulsebox.yaml"), "--data", join(this.folder, "data")];
    if (this.isAppliance) words.push("--appliance", "--run-folder", this.run());
    this.process = Process.start("pulsebox", binary("pulsebox"), words);
    await this.process.says((line) => (line.includes("the page is at http") ? true : undefined));
  }

  /** Stops the daemon; its folder stays. */
  async down(): Promise<void> {
    await this.process?.end();
    this.process = undefined;
  }

  async end(): Promise<void> {
    await this.down();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** What stands for /run of an appliance. */
  private run(...names: string[]): string {
    return join(this.folder, "run", ...names);
  }

  /** Tells a fact, as root's jobs do. */
  async tell(name: string, keys: Record<string, string | number>): Promise<void> {
    const text = Object.entries(keys).map(([key, value]) => `${key}=${value}\n`).join("");
    await writeFile(this.run("box", ".new"), text);
    await rename(this.run("box", ".new"), this.run("box", name));
  }

  /** Whether root's jobs were asked for this. */
  isAsked(ask: string): Promise<boolean> {
    return access(this.run("pulsebox", "ask", ask)).then(() => true, () => false);
  }

  /** Takes an ask, as its job does. */
  take(ask: string): Promise<void> {
    return rm(this.run("pulsebox", "ask", ask));
  }

  /** The bundle that was uploaded. */
  bundle(): Promise<Buffer> {
    return readFile(join(this.folder, "data", "update", "update.raucb"));
  }

  /** What a worn card makes of it, while the daemon is down. */
  damageHistory(): Promise<void> {
    return writeFile(join(this.folder, "data", "history.sqlite"), Buffer.alloc(20_000, 7));
  }

  get log(): string {
    return this.process?.lines.join("\n") ?? "";
  }

  config(): Promise<string> {
    return readFile(join(this.folder, "pulsebox.yaml"), "utf8");
  }

  /** In one piece, as an editor does. */
  async writeConfig(text: string): Promise<void> {
    const path = join(this.folder, "pulsebox.yaml");
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }

  /** A call as the page makes it, with the session of `claim` or `signIn`. */
  async call(method: string, path: string, body?: unknown): Promise<Response> {
    const headers: Record<string, string> = { Origin: this.origin };
    if (this.cookie !== "") headers["Cookie"] = this.cookie;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    return fetch(this.origin + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  }

  async get<T>(path: string): Promise<T> {
    const answer = await this.call("GET", path);
    if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  /** The first visit, without the page: gives the session's cookie as `name=value`. */
  async claim(): Promise<string> {
    return this.keep(await this.call("POST", "/api/claim", { password: PASSWORD }));
  }

  async signIn(): Promise<string> {
    return this.keep(await this.call("POST", "/api/session", { password: PASSWORD }));
  }

  private async keep(answer: Response): Promise<string> {
    const cookie = answer.headers.get("set-cookie")?.split(";")[0];
    if (!answer.ok || cookie === undefined) throw new Error(`no session: ${answer.status} ${await answer.text()}`);
    this.cookie = cookie;
    return cookie;
  }

  /** Waits until the API's answer fits. */
  async until<T>(path: string, fits: (answer: T) => boolean): Promise<T> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const answer = await this.get<T>(path);
      if (fits(answer)) return answer;
      if (Date.now() > end) throw new Error(`${path}: ${JSON.stringify(answer, null, 1)}\n${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  untilState(id: string, state: string): Promise<CameraAnswer> {
    return this.until<CameraAnswer>(`/api/streams/${id}`, (camera) => camera.state === state);
  }
}
