// Opens HTTP codecs over new connections, with a cluster's protocol options compiled for them once.
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { Transport } from '../base/transport.ts';
import type { WriteBatch } from '../base/write-batch.ts';
import { LIMITS } from '../config/limits.ts';
import type { ClientConnection, ClientConnectionHandler } from '../http/codec.ts';
import { Http1ClientConnection } from '../http/http1-client.ts';
import type { Http1ClientOptions } from '../http/http1-client.ts';
import { Http2ClientConnection } from '../http/http2-client.ts';
import { http2Windows } from '../http/http2-options.ts';
import type { Http2Counters, Http2Options } from '../http/http2-options.ts';
import type { ConnectionSettings } from './connection-settings.ts';

/** A cluster's codecs of one protocol. */
export type OpenCodec = (transport: Transport, handler: ClientConnectionHandler) => ClientConnection;

export interface CodecDeps {
  /** The worker's. */
  readonly writes: WriteBatch;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerWheel;
}

export function http1Opener(settings: ConnectionSettings, writes: WriteBatch): OpenCodec {
  const options = http1Options(settings, writes);
  return (transport, handler) => new Http1ClientConnection(transport, options, handler);
}

export function http2Opener(settings: ConnectionSettings, counters: Http2Counters, deps: CodecDeps): OpenCodec {
  const options = http2Options(settings, counters, deps);
  return (transport, handler) => new Http2ClientConnection(transport, options, handler);
}

function http1Options({ http1, headersCountMax }: ConnectionSettings, writes: WriteBatch): Http1ClientOptions {
  const formatter = http1.headerKeyFormat?.statefulFormatter;
  return {
    preserveCase: formatter !== undefined,
    properCase: http1.headerKeyFormat?.properCaseWords !== undefined,
    forwardReasonPhrase: formatter?.typedConfig.forwardReasonPhrase ?? false,
    enableTrailers: http1.enableTrailers ?? false,
    headerCountMax: headersCountMax ?? LIMITS.headersCountMax,
    writes,
  };
}

function http2Options(
  { http2, headersCountMax }: ConnectionSettings, counters: Http2Counters, deps: CodecDeps,
): Http2Options {
  return {
    ...http2Windows({ maxConcurrentStreams: LIMITS.http2UpstreamStreamsMax, ...http2 }),
    headBytesMax: LIMITS.headersBytesMax,
    headerCountMax: headersCountMax ?? LIMITS.headersCountMax,
    headersWithUnderscores: 'allow',
    delayedCloseMs: LIMITS.delayedCloseMs,
    // A request that waits for its server is watched by the timeouts of its route and stream.
    flushTimeoutMs: 0,
    counters,
    ...deps,
  };
}
