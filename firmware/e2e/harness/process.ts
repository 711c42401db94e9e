// A child process that is waited for, read, and ended kindly, then by force.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** What anything may take on a small, busy machine before the test gives up. */
export const PATIENCE_MS = 30_000;
const KIND_MS = 3_000;
/** Lines kept of what a process says. */
const LINES_KEPT = 400;

export class Process {
  readonly lines: string[] = [];
  private waiting: (() => void)[] = [];

  private constructor(private readonly child: ChildProcess, private readonly name: string) {
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      createInterface({ input: stream }).on("line", (line) => {
        this.lines.push(line);
        if (this.lines.length > LINES_KEPT) this.lines.shift();
        this.wake();
      });
    }
    child.on("exit", () => this.wake());
  }

  static start(name: string, command: string, words: string[]): Process {
    // Its standard input is a pipe of ours: what ends when that closes ends with us.
    return new Process(spawn(command, words, { stdio: ["pipe", "pipe", "pipe"] }), name);
  }

  /** The first line, said or to be said, that `found` makes something of. */
  async says<T>(found: (line: string) => T | undefined): Promise<T> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      for (const line of this.lines) {
        const value = found(line);
        if (value !== undefined) return value;
      }
      const left = end - Date.now();
      if (left <= 0 || this.child.exitCode !== null) throw new Error(`${this.name} did not say it:\n${this.lines.join("\n")}`);
      await this.change(left);
    }
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, "exit");
    this.child.kill("SIGTERM");
    const late = setTimeout(() => this.child.kill("SIGKILL"), KIND_MS);
    await gone;
    clearTimeout(late);
  }

  private change(most: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, most);
      this.waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private wake(): void {
    for (const go of this.waiting.splice(0)) go();
  }
}
