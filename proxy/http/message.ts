// Heads of requests and responses as every layer sees them: parsed once, framing as typed values.
import { Headers } from './headers.ts';

export type Protocol = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';

/** Body length of a message whose end is only known when it comes (chunked, or until close). */
export const LENGTH_UNKNOWN = -1;

/** What connections to an endpoint offer by ALPN in place of what its cluster says; an empty list leaves that. */
export class UpstreamAlpn {
  readonly http1: readonly string[];
  readonly http2: readonly string[];
  /** Tells it from others. */
  readonly key: string;

  constructor(http1: readonly string[], http2: readonly string[]) {
    this.http1 = http1;
    this.http2 = http2;
    this.key = `${http1.join(',')}|${http2.join(',')}`;
  }
}

/** A request. Route, policy, log and the upstream serialiser all read these values. */
export class RequestHead {
  method: string;
  /** 'http' or 'https', as seen by this hop. */
  scheme = 'http';
  /** Host[:port], lower-cased ASCII; for CONNECT the target authority. */
  authority: string;
  /** Path with query, origin-form; '*' for OPTIONS *; '' for CONNECT. */
  path: string;
  protocol: Protocol;
  headers: Headers;
  /** Declared body length in bytes, 0 when there is none, LENGTH_UNKNOWN when chunked. */
  contentLength = 0;
  /** The Upgrade token when `Connection: upgrade` names it, lower-case; undefined otherwise. */
  upgrade: string | undefined = undefined;
  /** `TE: trailers` was sent. */
  acceptsTrailers = false;
  /** `Expect: 100-continue` was sent; the connection manager answers it. */
  expectContinue = false;
  /** The request-target was in absolute-form (explicit proxy). */
  absoluteForm = false;
  /** For connections with TLS; undefined leaves what their cluster says. */
  upstreamAlpn: UpstreamAlpn | undefined = undefined;

  constructor(
    method: string, authority: string, path: string, headers = new Headers(), protocol: Protocol = 'HTTP/1.1',
  ) {
    this.method = method;
    this.authority = authority;
    this.path = path;
    this.headers = headers;
    this.protocol = protocol;
  }
}

/** A response. */
export class ResponseHead {
  status: number;
  headers: Headers;
  protocol: Protocol = 'HTTP/1.1';
  /** Declared length; for HEAD and 304 the length that a GET would have had; LENGTH_UNKNOWN when not declared. */
  contentLength = LENGTH_UNKNOWN;
  /** The Upgrade token of a 101 response, lower-case. */
  upgrade: string | undefined = undefined;
  /** The sender's reason phrase; '' means the standard one. */
  reason = '';

  constructor(status: number, headers = new Headers()) {
    this.status = status;
    this.headers = headers;
  }
}
