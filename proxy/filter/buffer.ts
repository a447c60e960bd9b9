// The buffer filter: a request goes on when all of it is there, and is answered 413 when that is too much.
import { ProxyError } from '../base/error.ts';
import type { Buffer as BufferConfig } from '../config/buffer.ts';
import { LENGTH_UNKNOWN } from '../http/message.ts';
import { BufferRouteSettings } from './buffer-per-route.ts';
import type { FilterStream, HttpFilter, Verdict } from './filter.ts';
import type { BodyWatcher, HeldRequest } from './request-buffer.ts';
import { routeFilterConfig } from './route-filter-lookup.ts';

const TOO_LARGE = 'request_payload_too_large';

export class BufferFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  /** 0: bodies are held where routes say so. */
  readonly #bytesMax: number;

  constructor(name: string, { maxRequestBytes }: BufferConfig) {
    this.name = name;
    this.#bytesMax = maxRequestBytes;
  }

  onRequestHead(stream: FilterStream, endStream: boolean): Verdict {
    const { request } = stream;
    // What has no end is not awaited.
    if (endStream || request.upgrade !== undefined || request.method === 'CONNECT') return 'continue';
    const own = routeFilterConfig(stream, this.name);
    const bytesMax = own instanceof BufferRouteSettings ? own.bytesMax : this.#bytesMax;
    if (bytesMax === undefined || bytesMax === 0) return 'continue';
    if (request.contentLength > bytesMax) {
      stream.failStream(new ProxyError('payload-too-large', 'downstream', TOO_LARGE));
      return 'replied';
    }
    const wait = new Wait(stream, bytesMax);
    stream.watchBody(bytesMax, wait);
    return wait.begin();
  }
}

/** One request's. */
class Wait implements BodyWatcher {
  readonly #stream: FilterStream;
  readonly #bytesMax: number;
  #state: 'starting' | 'waiting' | 'done' = 'starting';

  constructor(stream: FilterStream, bytesMax: number) {
    this.#stream = stream;
    this.#bytesMax = bytesMax;
  }

  begin(): Verdict {
    if (this.#state === 'done') return 'continue';
    this.#state = 'waiting';
    return 'pause';
  }

  onHeld(_held: HeldRequest, bytes: number, complete: boolean): void {
    if (this.#state === 'done') return;
    if (bytes > this.#bytesMax) {
      this.#state = 'done';
      this.#stream.failStream(new ProxyError('payload-too-large', 'downstream', TOO_LARGE));
    } else if (complete) {
      this.#goOn(bytes);
    }
  }

  /** Its length is known now, and told upstream, as by Envoy. */
  #goOn(bytes: number): void {
    const { request } = this.#stream;
    if (request.contentLength === LENGTH_UNKNOWN) request.contentLength = bytes;
    const waits = this.#state === 'waiting';
    this.#state = 'done';
    if (waits) this.#stream.resumeRequest();
  }
}
