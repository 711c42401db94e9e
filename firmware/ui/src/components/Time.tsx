// A time in words that grow old by themselves, with the exact one at hand.
import { now } from "../store";
import { exact, span } from "../words";

/** `4 min ago`; in the title and for machines the time itself. */
export function Ago({ at, before = "", after = " ago" }: { at: string; before?: string; after?: string }) {
  return <time dateTime={at} title={exact(at)}>{before}{span(now.value - Date.parse(at))}{after}</time>;
}

/** `for 4 min`. */
export function Since({ at }: { at: string }) {
  return <time dateTime={at} title={`since ${exact(at)}`}>for {span(now.value - Date.parse(at))}</time>;
}

export function Exact({ at }: { at: string }) {
  return <time dateTime={at}>{exact(at)}</time>;
}
