// A real MQTT broker: Debian's mosquitto on loopback, with a password, and one who listens to it.
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./places.ts";
import { PATIENCE_MS, Process } from "./process.ts";

export const BROKER_USER = "pulsebox";
export const BROKER_PASSWORD = "river stone 4";
const MOSQUITTO = "/usr/sbin/mosquitto";

export class Broker {
  private process: Process | undefined;
  private listening: Process | undefined;

  private constructor(private readonly folder: string, readonly port: number) {}

  static async start(): Promise<Broker> {
    const folder = await mkdtemp(join(tmpdir(), "pulsebox-broker-"));
    const broker = new Broker(folder, await freePort());
    const passwords = join(folder, "passwords");
    execFileSync("mosquitto_passwd", ["-b", "-c", passwords, BROKER_USER, BROKER_PASSWORD], { stdio: "ignore" });
    // As root it would become somebody who may not read its own folder.
    const as = process.getuid?.() === 0 ? "user root\n" : "";
    await writeFile(join(folder, "mosquitto.conf"), `${as}listener ${broker.port} 127.0.0.1\nallow_anonymous false\npassword_file ${passwords}\n`);
    await broker.up();
    return broker;
  }

  /** What the page is given to find it. */
  get settings(): Record<string, unknown> {
    return { "mqtt.enabled": true, "mqtt.host": "127.0.0.1", "mqtt.port": this.port, "mqtt.username": BROKER_USER, "mqtt.password": BROKER_PASSWORD };
  }

  /** Starts and waits until it listens. What it kept before is gone. */
  async up(): Promise<void> {
    this.process = Process.start("mosquitto", MOSQUITTO, ["-c", join(this.folder, "mosquitto.conf")]);
    await this.process.says((line) => (/mosquitto version .* running/.test(line) ? true : undefined));
  }

  async down(): Promise<void> {
    await this.process?.end();
    this.process = undefined;
  }

  /** The first message on `topic` (wildcards too), as text. */
  async message(topic: string): Promise<string> {
    const words = ["-h", "127.0.0.1", "-p", String(this.port), "-u", BROKER_USER, "-P", BROKER_PASSWORD, "-t", topic, "-C", "1", "-W", String(PATIENCE_MS / 1000)];
    this.listening = Process.start("mosquitto_sub", "mosquitto_sub", words);
    const message = await this.listening.says((line) => line);
    await this.listening.end();
    return message;
  }

  async end(): Promise<void> {
    await this.listening?.end();
    await this.down();
    await rm(this.folder, { recursive: true, force: true });
  }
}
