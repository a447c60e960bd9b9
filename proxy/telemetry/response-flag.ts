// Envoy's response flags: one bit each, because a stream may carry several.

/** Short name, long name (%RESPONSE_FLAGS_LONG%), in Envoy's proto order. */
const FLAGS = [
  ['LH', 'FailedLocalHealthCheck'],
  ['UH', 'NoHealthyUpstream'],
  ['UT', 'UpstreamRequestTimeout'],
  ['LR', 'LocalReset'],
  ['UR', 'UpstreamRemoteReset'],
  ['UF', 'UpstreamConnectionFailure'],
  ['UC', 'UpstreamConnectionTermination'],
  ['UO', 'UpstreamOverflow'],
  ['NR', 'NoRouteFound'],
  ['DI', 'DelayInjected'],
  ['FI', 'FaultInjected'],
  ['RL', 'RateLimited'],
  ['UAEX', 'UnauthorizedExternalService'],
  ['RLSE', 'RateLimitServiceError'],
  ['DC', 'DownstreamConnectionTermination'],
  ['URX', 'UpstreamRetryLimitExceeded'],
  ['SI', 'StreamIdleTimeout'],
  ['IH', 'InvalidEnvoyRequestHeaders'],
  ['DPE', 'DownstreamProtocolError'],
  ['UMSDR', 'UpstreamMaxStreamDurationReached'],
  ['RFCF', 'ResponseFromCacheFilter'],
  ['NFCF', 'NoFilterConfigFound'],
  ['DT', 'DurationTimeout'],
  ['UPE', 'UpstreamProtocolError'],
  ['NC', 'NoClusterFound'],
  ['OM', 'OverloadManagerTerminated'],
  ['DF', 'DnsResolutionFailed'],
  ['DO', 'DropOverload'],
  ['DR', 'DownstreamRemoteReset'],
  ['UDO', 'UnconditionalDropOverload'],
] as const;

export type ResponseFlag = (typeof FLAGS)[number][0];

const BIT = new Map<string, number>(FLAGS.map(([name], i) => [name, 2 ** i]));

/** The bit of a flag. */
export function flagBit(flag: ResponseFlag): number {
  return BIT.get(flag)!;
}

/** Places in FLAGS as Envoy's texts have them, in the order of events: a retry is given up before its request. */
const ORDER = [...FLAGS.keys()].toSorted((a, b) => Number(isEarly(b)) - Number(isEarly(a)));

function isEarly(place: number): boolean {
  return FLAGS[place]![0] === 'DI' || FLAGS[place]![0] === 'URX';
}

/** `URX,UF`, or `-` for none. */
export function flagsText(bits: number, long = false): string {
  if (bits === 0) return '-';
  let text = '';
  for (const i of ORDER) {
    if ((bits & (2 ** i)) === 0) continue;
    text += (text === '' ? '' : ',') + FLAGS[i]![long ? 1 : 0];
  }
  return text;
}
