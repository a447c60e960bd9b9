// The command operators of format strings (%RESPONSE_CODE%, %UPSTREAM_HOST%, …), each a function of a request's record.
import { hostname } from 'node:os';
import { ConfigError } from '../base/error.ts';
import { joinHostPort } from '../base/host-port.ts';
import { headerOperators } from './format-header-operator.ts';
import type { Operator, OperatorSpec, ReadValue } from './format-spec.ts';
import type { TextOrigin } from './line-text.ts';
import { metadataOperators } from './metadata-format-operator.ts';
import { flagsText } from './response-flag.ts';
import type { ConnectionInfo, StreamInfo, TlsInfo } from './stream-info.ts';
import { compileTimeFormat } from './time-format.ts';

function plain(read: ReadValue, origin: TextOrigin = 'own'): OperatorSpec {
  return { args: 'none', cut: false, compile: () => ({ read, origin }) };
}

/** An empty text means absent. */
function some(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** Whole milliseconds between two moments, undefined until both happened. */
function between(fromMs: number, toMs: number): number | undefined {
  return fromMs < 0 || toMs < 0 ? undefined : Math.max(0, Math.floor(toMs - fromMs));
}

/** Runs of white space become one underscore, so that a reason stays one word of the line. */
function oneWord(text: string): string | undefined {
  return text === '' ? undefined : text.replaceAll(' ', '_');
}

function ipOf(address: string): string | undefined {
  const colon = address.lastIndexOf(':');
  if (colon === -1) return some(address);
  const ip = address.slice(0, colon);
  return ip.startsWith('[') ? ip.slice(1, -1) : ip;
}

function portOf(address: string): number | undefined {
  const colon = address.lastIndexOf(':');
  return colon === -1 ? undefined : Number(address.slice(colon + 1));
}

/** The endpoint's address once there was a connection to it. */
function connectedAddress(info: StreamInfo): string {
  return info.upstreamLocalAddress === '' ? '' : info.upstreamAddress;
}

/** The address a request is attributed to: that of a trusted x-forwarded-for (port 0, as in Envoy), or the socket's. */
function remoteAddress(info: StreamInfo): string {
  const ip = info.forwardedIp;
  if (ip === '') return info.connection.remoteAddress;
  return joinHostPort(ip, 0);
}

const remoteIp = (info: StreamInfo): string => info.forwardedIp === '' ? info.connection.remoteIp : info.forwardedIp;
const remotePort = (info: StreamInfo): number => info.forwardedIp === '' ? info.connection.remotePort : 0;

type ReadConnection = (connection: ConnectionInfo) => string | number | undefined;

function connection(read: ReadConnection, origin: TextOrigin = 'own'): OperatorSpec {
  return plain((info) => read(info.connection), origin);
}

/** The same facts of both TLS sides under Envoy's two prefixes. */
function tlsOperators(prefix: string, of: (info: StreamInfo) => TlsInfo | undefined): [string, OperatorSpec][] {
  const tls = (read: (tls: TlsInfo) => string | undefined): OperatorSpec =>
    plain((info) => {
      const facts = of(info);
      return facts === undefined ? undefined : some(read(facts));
    }, 'traffic');
  return [
    [`${prefix}_TLS_VERSION`, tls((facts) => facts.version)],
    [`${prefix}_TLS_CIPHER`, tls((facts) => facts.cipher)],
    [`${prefix}_PEER_URI_SAN`, tls((facts) => facts.peerUriSan)],
    [`${prefix}_PEER_DNS_SAN`, tls((facts) => facts.peerDnsSans.join(','))],
    [`${prefix}_PEER_SUBJECT`, tls((facts) => facts.peerSubject)],
    [`${prefix}_LOCAL_URI_SAN`, tls((facts) => facts.localUriSan)],
  ];
}

/** %START_TIME(pattern)% */
function startTime(args: string, path: string): Operator {
  const format = compileTimeFormat(args, path);
  return { read: (info) => format.format(info.startWallMs), origin: 'config' };
}

/** %ENVIRONMENT(NAME)%, read once: a process's environment doesn't change. */
function environment(args: string): Operator {
  const value = some(process.env[args]);
  return { read: () => value, origin: 'config' };
}

function responseCodeDetails(args: string, path: string): Operator {
  if (args === 'ALLOW_WHITESPACES') return { read: (info) => some(info.detail), origin: 'traffic' };
  if (args !== '') throw new ConfigError(path, `%RESPONSE_CODE_DETAILS(${args})%: only ALLOW_WHITESPACES is known`);
  return { read: (info) => oneWord(info.detail), origin: 'traffic' };
}

/** Time points of %COMMON_DURATION(start:end:unit)% that a request's record holds. */
const MOMENTS: ReadonlyMap<string, (info: StreamInfo) => number> = new Map([
  ['DS_RX_BEG', (info: StreamInfo) => info.startMs],
  ['DS_RX_END', (info: StreamInfo) => info.requestEndMs],
  ['US_TX_END', (info: StreamInfo) => info.upstreamSentMs],
  ['US_RX_BEG', (info: StreamInfo) => info.upstreamFirstByteMs],
  ['DS_TX_BEG', (info: StreamInfo) => info.responseStartMs],
  ['DS_TX_END', (info: StreamInfo) => info.endMs],
]);

const UNITS: ReadonlyMap<string, number> = new Map([['ms', 1], ['us', 1e3], ['ns', 1e6]]);

function commonDuration(args: string, path: string): Operator {
  const [start = '', end = '', unit = '', ...rest] = args.split(':');
  const from = MOMENTS.get(start);
  const to = MOMENTS.get(end);
  const scale = UNITS.get(unit);
  if (from === undefined || to === undefined || scale === undefined || rest.length > 0) {
    const known = `${[...MOMENTS.keys()].join(', ')} and the units ${[...UNITS.keys()].join(', ')}`;
    throw new ConfigError(path, `%COMMON_DURATION(${args})%: expected START:END:UNIT with the time points ${known}`);
  }
  return {
    read: (info) => {
      const fromMs = from(info);
      const toMs = to(info);
      return fromMs < 0 || toMs < 0 ? undefined : Math.max(0, Math.floor((toMs - fromMs) * scale));
    },
    origin: 'own',
  };
}

/** Every operator, by Envoy's name. */
export const OPERATORS: ReadonlyMap<string, OperatorSpec> = new Map<string, OperatorSpec>([
  ...headerOperators,
  ...metadataOperators,
  ['START_TIME', { args: 'optional', cut: false, compile: startTime }],
  ['PROTOCOL', plain((info) => info.request?.protocol)],
  ['RESPONSE_CODE', plain((info) => info.status)],
  ['RESPONSE_CODE_DETAILS', { args: 'optional', cut: false, compile: responseCodeDetails }],
  ['RESPONSE_FLAGS', plain((info) => flagsText(info.flags))],
  ['RESPONSE_FLAGS_LONG', plain((info) => flagsText(info.flags, true))],
  ['CONNECTION_TERMINATION_DETAILS', plain((info) => oneWord(info.terminationDetail), 'traffic')],
  ['BYTES_RECEIVED', plain((info) => info.bytesReceived)],
  ['BYTES_SENT', plain((info) => info.bytesSent)],
  ['DURATION', plain((info) => between(info.startMs, info.endMs))],
  ['REQUEST_DURATION', plain((info) => between(info.startMs, info.requestEndMs))],
  ['RESPONSE_DURATION', plain((info) => between(info.startMs, info.upstreamFirstByteMs))],
  ['RESPONSE_TX_DURATION', plain((info) => between(info.upstreamFirstByteMs, info.endMs))],
  ['COMMON_DURATION', { args: 'required', cut: false, compile: commonDuration }],
  ['UPSTREAM_HOST', plain((info) => some(info.upstreamAddress))],
  ['UPSTREAM_REMOTE_ADDRESS', plain((info) => some(connectedAddress(info)))],
  ['UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', plain((info) => ipOf(connectedAddress(info)))],
  ['UPSTREAM_REMOTE_PORT', plain((info) => portOf(connectedAddress(info)))],
  ['UPSTREAM_CLUSTER', plain((info) => some(info.clusterName), 'config')],
  ['UPSTREAM_CLUSTER_RAW', plain((info) => some(info.clusterName), 'config')],
  ['UPSTREAM_LOCAL_ADDRESS', plain((info) => some(info.upstreamLocalAddress))],
  ['UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', plain((info) => ipOf(info.upstreamLocalAddress))],
  ['UPSTREAM_LOCAL_PORT', plain((info) => portOf(info.upstreamLocalAddress))],
  ['UPSTREAM_TRANSPORT_FAILURE_REASON', plain((info) => oneWord(info.upstreamFailure), 'traffic')],
  ['UPSTREAM_REQUEST_ATTEMPT_COUNT', plain((info) => info.attempts)],
  ['DOWNSTREAM_REMOTE_ADDRESS', plain(remoteAddress)],
  ['DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', plain(remoteIp)],
  ['DOWNSTREAM_REMOTE_PORT', plain(remotePort)],
  ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS', connection((facts) => facts.directRemote?.address ?? facts.remoteAddress)],
  ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT', connection((facts) => facts.directRemote?.ip ?? facts.remoteIp)],
  ['DOWNSTREAM_DIRECT_REMOTE_PORT', connection((facts) => facts.remotePort)],
  ['DOWNSTREAM_LOCAL_ADDRESS', connection((facts) => facts.localAddress)],
  ['DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', connection((facts) => facts.localIp)],
  ['DOWNSTREAM_LOCAL_PORT', connection((facts) => facts.localPort)],
  ...tlsOperators('DOWNSTREAM', (info) => info.connection.tls),
  ...tlsOperators('UPSTREAM', (info) => info.upstreamTls),
  ['REQUESTED_SERVER_NAME', connection((facts) => some(facts.serverName), 'traffic')],
  ['FILTER_CHAIN_NAME', connection((facts) => some(facts.filterChainName), 'config')],
  ['CONNECTION_ID', connection((facts) => facts.id)],
  ['ROUTE_NAME', plain((info) => some(info.routeName), 'config')],
  ['STREAM_ID', plain((info) => some(info.requestId), 'traffic')],
  ['TRACE_ID', plain((info) => some(info.traceId), 'traffic')],
  ['SPAN_ID', plain((info) => some(info.spanId), 'traffic')],
  ['WEFT_DENIED_BY', plain((info) => some(info.denial?.policy ?? ''), 'config')],
  ['WEFT_NEAREST_MISS', plain((info) => info.denial?.nearestMiss(), 'config')],
  ['HOSTNAME', { args: 'none', cut: false, compile: () => constant(hostname()) }],
  ['ENVIRONMENT', { args: 'required', cut: true, compile: environment }],
]);

function constant(value: string): Operator {
  return { read: () => value, origin: 'config' };
}
