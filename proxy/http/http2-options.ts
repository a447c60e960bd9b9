// What a worker, a listener or a cluster decides about its HTTP/2 connections, and where they are counted.
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { WriteBatch } from '../base/write-batch.ts';
import type { Http2ProtocolOptions } from '../config/http-protocol-options.ts';
import { LIMITS } from '../config/limits.ts';
import type { UnderscoreAction } from './http1-head-fields.ts';
import type { KeepaliveTimes } from './http2-keepalive.ts';
import { keepaliveTimes } from './http2-keepalive.ts';

interface Count {
  inc(): void;
}

/** Envoy's `http2.*` counters, by Envoy's names; resetFlood and inboundControlFramesFlood are weft's own. */
export interface Http2Counters {
  readonly rxReset: Count;
  readonly txReset: Count;
  readonly rxMessagingError: Count;
  readonly headerOverflow: Count;
  readonly trailers: Count;
  readonly txFlushTimeout: Count;
  readonly keepaliveTimeout: Count;
  readonly outboundControlFlood: Count;
  readonly inboundEmptyFramesFlood: Count;
  readonly inboundPriorityFramesFlood: Count;
  readonly inboundWindowUpdateFramesFlood: Count;
  readonly inboundControlFramesFlood: Count;
  readonly resetFlood: Count;
}

/** Compiled from Http2ProtocolOptions and common_http_protocol_options. */
export interface Http2Options {
  /** Decoded size of a head, with 64 bytes more for each field (S23). */
  readonly headBytesMax: number;
  readonly headerCountMax: number;
  /** max_concurrent_streams: of the peer's streams that are open, or of ours towards a server. */
  readonly streamsMax: number;
  readonly streamWindow: number;
  readonly connectionWindow: number;
  /** hpack_table_size of this side's decoder. */
  readonly tableBytes: number;
  /** Extended CONNECT is offered (RFC 8441; allow_connect). */
  readonly allowConnect: boolean;
  /** connection_keepalive; undefined without. */
  readonly keepalive: KeepaliveTimes | undefined;
  readonly headersWithUnderscores: UnderscoreAction;
  /** How long a closed connection may take to read its last frames. */
  readonly delayedCloseMs: number;
  /** How long what is to be sent may wait for the peer's window without progress; 0 is off. */
  readonly flushTimeoutMs: number;
  readonly counters: Http2Counters;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerWheel;
  readonly writes: WriteBatch;
}

/** What Http2ProtocolOptions says, with weft's defaults where it is silent. */
export function http2Windows(config: Http2ProtocolOptions = {}): Pick<
  Http2Options, 'streamsMax' | 'streamWindow' | 'connectionWindow' | 'tableBytes' | 'allowConnect' | 'keepalive'
> {
  return {
    streamsMax: config.maxConcurrentStreams ?? LIMITS.http2StreamsMax,
    streamWindow: config.initialStreamWindowSize ?? LIMITS.http2StreamWindow,
    connectionWindow: config.initialConnectionWindowSize ?? LIMITS.http2ConnectionWindow,
    tableBytes: config.hpackTableSize ?? LIMITS.http2TableBytes,
    allowConnect: config.allowConnect ?? false,
    keepalive: keepaliveTimes(config.connectionKeepalive),
  };
}
