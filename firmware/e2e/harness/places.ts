// Where things are, and free ports on loopback.
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
/** cargo's own folder; scripts/test-page says it where it is elsewhere. */
const TARGET = process.env["CARGO_TARGET_DIR"] ?? join(ROOT, "target");
export const binary = (name: string): string => join(TARGET, "debug", name);
export const SCREENSHOTS = join(ROOT, "target", "screenshots");

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}
