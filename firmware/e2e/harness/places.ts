// Where things are, and free ports on loopback.
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
/** cargo's own folder; scripts/test-page says it where it is elsewhere. */
const TARGET = process.env["CARGO_TARGET_DIR"] ?? join(ROOT, "target");
export const binary = (name: string): string => join(TARGET, "debug", name);
export const SCREENSHOTS = join(ROOT, "target", "screenshots");

/** A port that is free now. Below 32768: above, the kernel may hand it to anybody before it is used. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => (error.code === "EADDRINUSE" ? resolve(false) : reject(error)));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}
