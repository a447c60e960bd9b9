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

/** `UF,URX`, or `-` for none. */
export function flagsText(bits: number, long = false): string {
  if (bits === 0) return '-';
  let text = '';
  for (let i = 0; i < FLAGS.length; i++) {
    if ((bits & (2 ** i)) === 0) continue;
    text += (text === '' ? '' : ',') + FLAGS[i]![long ? 1 : 0];
  }
  return text;
}
