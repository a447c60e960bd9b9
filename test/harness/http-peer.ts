// What every independent HTTP client of the interop tests does, whichever library or command is behind it.

/** What not every client can do. */
export type Ability = 'request trailers' | 'response trailers' | 'wait for the response' | 'many at once';

export type HttpVersion = 'HTTP/1.1' | 'HTTP/2';

export interface PeerRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly trailers?: Readonly<Record<string, string>>;
  /** The body goes on until the response's head has come. */
  readonly waits?: boolean;
}

export interface PeerAnswer {
  /** 0: the client told only that the response was cut. */
  readonly status: number;
  /** Names in lower case; of repeated ones the last. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, string>>;
  /** False: the client says that the message was cut. */
  readonly whole: boolean;
}

/** One connection where the client keeps one; commands make one for each request. */
export interface PeerSession extends AsyncDisposable {
  /** Rejects when there is no response head. */
  send(request: PeerRequest): Promise<PeerAnswer>;
  /** The same request `count` times at once, on one connection if the protocol can; the statuses. */
  many(request: PeerRequest, count: number): Promise<number[]>;
}

export interface PeerClient {
  readonly name: string;
  readonly version: HttpVersion;
  readonly secure: boolean;
  readonly cannot: readonly Ability[];
  /** Why it is left out. */
  readonly skip: string | false;
  open(port: number): PeerSession;
}

/** Sessions whose `many` is many times `send`. */
export abstract class SimpleSession implements PeerSession {
  abstract send(request: PeerRequest): Promise<PeerAnswer>;

  async many(request: PeerRequest, count: number): Promise<number[]> {
    const answers = await Promise.all(Array.from({ length: count }, () => this.send(request)));
    return answers.map(({ status }) => status);
  }

  abstract [Symbol.asyncDispose](): Promise<void>;
}

/** Fields as libraries give them: lists joined, pseudo-headers of HTTP/2 left out. */
export function plainFields(fields: Readonly<Record<string, unknown>>): Record<string, string> {
  const named = Object.entries(fields).filter(([name, value]) => !name.startsWith(':') && value !== undefined);
  return Object.fromEntries(named.map(([name, value]) => [name.toLowerCase(), String(value)]));
}
