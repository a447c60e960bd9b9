// Lines of a watch: one JSON event each, split anywhere, and none longer than a limit.

export interface WatchEvent {
  readonly type: string;
  readonly object: Record<string, unknown>;
}

/** etcd takes no object above 1.5 MiB. */
export const LINE_BYTES_MAX = 4 * 1024 * 1024;

/** Takes chunks as they come and gives what they complete. A line that the end cuts off is never given. */
export class EventLines {
  readonly #max: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(lineBytesMax: number = LINE_BYTES_MAX) {
    this.#max = lineBytesMax;
  }

  /** Throws where a line is too long or is no event: the stream is of no use then. */
  push(chunk: Buffer): WatchEvent[] {
    const events: WatchEvent[] = [];
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      this.#keep(chunk.subarray(start, end));
      const line = Buffer.concat(this.#parts).toString('utf8').trim();
      this.#parts = [];
      this.#bytes = 0;
      if (line !== '') events.push(parseEvent(line));
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
    return events;
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    this.#bytes += part.length;
    if (this.#bytes > this.#max) throw new Error(`an event of the watch is larger than ${this.#max} bytes`);
    this.#parts.push(part);
  }
}

function parseEvent(line: string): WatchEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Error('an event of the watch is not JSON');
  }
  if (isRecord(value) && typeof value['type'] === 'string' && isRecord(value['object'])) {
    return { type: value['type'], object: value['object'] };
  }
  throw new Error('an event of the watch has no type or object');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
