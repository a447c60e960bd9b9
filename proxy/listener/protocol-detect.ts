// Tells TLS from plaintext by the first bytes of a connection, and HTTP from other plaintext where a listener asks for
// it.
import type { FirstBytesReader } from './first-bytes.ts';
import { RequestLineReader } from './http-inspector.ts';
import type { HttpInspection } from './http-inspector.ts';
import type { ClientHello } from './tls-inspector.ts';
import { HelloReader } from './tls-inspector.ts';

/** A list: protocols of HTTP. */
export type Detection = ClientHello | readonly string[] | 'not-tls' | 'malformed';

/** What is looked for, in this order. */
export interface Inspects {
  readonly tls: boolean;
  readonly http: boolean;
}

export class ProtocolReader implements FirstBytesReader<Detection> {
  #hello: HelloReader | undefined;
  readonly #line: RequestLineReader | undefined;
  /** Until it is known that they are not TLS. */
  readonly #chunks: Buffer[] = [];

  constructor({ tls, http }: Inspects) {
    this.#hello = tls ? new HelloReader() : undefined;
    this.#line = http ? new RequestLineReader() : undefined;
  }

  push(chunk: Buffer): Detection | 'more' {
    if (this.#hello === undefined) return this.#httpIn([chunk]);
    this.#chunks.push(chunk);
    const tls = this.#hello.push(chunk);
    if (tls !== 'not-tls') return tls;
    this.#hello = undefined;
    return this.#httpIn(this.#chunks.splice(0));
  }

  taken(): number {
    return 0;
  }

  #httpIn(chunks: readonly Buffer[]): Detection | 'more' {
    let result: HttpInspection = 'not-http';
    for (const chunk of chunks) {
      result = this.#line?.push(chunk) ?? 'not-http';
      if (result !== 'more') break;
    }
    return result === 'not-http' ? 'not-tls' : result;
  }
}
