// A camera at the box: how its URL is known, and a name for it.
import type { CameraView } from "../types";

/** What `/dev/…` is called so far: its id is made from the name, and no two may be alike. */
const plain = (name: string) => name.toLowerCase().replace(/[^\p{L}\p{N}_]+/gu, "-").replace(/^-|-$/g, "");

/** `name`, or with the first number after it that no other camera has. */
export function freeName(name: string, others: readonly Pick<CameraView, "id" | "name">[]): string {
  const taken = new Set(others.flatMap((one) => [one.id, plain(one.name)]));
  for (let n = 1; ; n += 1) {
    const free = n === 1 ? name : `${name} ${n}`;
    if (!taken.has(plain(free))) return free;
  }
}
