// Reads server-sent events from a fetch: `EventSource` can only GET, and a check is a POST.
// It does not reconnect: a check that broke off is tried again by the person.

/** One event. */
export interface StreamEvent {
  event: string;
  data: string;
}

/** No event of ours is near this long; a picture in a check's result is the longest. */
const LONGEST = 8 * 1024 * 1024;

/** Splits text into events as it comes; keeps what is not yet whole. */
export class EventSplitter {
  private rest = "";

  /** The events that `text` completes. Throws where one grows beyond all measure. */
  push(text: string): StreamEvent[] {
    this.rest += text;
    const events: StreamEvent[] = [];
    for (;;) {
      const end = /\r?\n\r?\n/.exec(this.rest);
      if (end === null) break;
      const event = read(this.rest.slice(0, end.index));
      this.rest = this.rest.slice(end.index + end[0].length);
      if (event !== null) events.push(event);
    }
    if (this.rest.length > LONGEST) throw new Error("the box sent more than a check's result can be");
    return events;
  }
}

function read(block: string): StreamEvent | null {
  let event = "message";
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon === 0) continue; // a comment, sent to keep the connection open
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    if (field === "data") data.push(value);
  }
  return data.length === 0 ? null : { event, data: data.join("\n") };
}

/** The events of a response's body, until it ends. */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const splitter = new EventSplitter();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* splitter.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
