// The generator's faults and CORS policies, as routes and virtual hosts carry them.
import type { CorsPolicy } from '../../proxy/config/cors.ts';
import type { FaultAbort, HTTPFault } from '../../proxy/config/fault.ts';
import type { StringMatcher } from '../../proxy/config/matcher.ts';
import type { Route } from '../../proxy/config/route.ts';
import type { Draw } from '../harness/draw.ts';

const CORS = 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy';
const FAULT = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';

const ORIGINS: readonly StringMatcher[] = [
  { exact: 'https://good.test' }, { suffix: '.good.test' }, { safeRegex: { regex: 'https://.*' } },
  { prefix: 'HTTPS://', ignoreCase: true },
];

/** What a request's own headers ask of faults, and how often they want it. */
export const FAULT_FIELDS: readonly (readonly [string, string])[] = [
  ['x-envoy-fault-abort-request', '418'], ['x-envoy-fault-abort-request', '200'],
  ['x-envoy-fault-abort-request', '99'], ['x-envoy-fault-abort-grpc-request', '7'],
  ['x-envoy-fault-abort-request-percentage', '0'], ['x-envoy-fault-abort-request-percentage', '100'],
  ['x-envoy-fault-delay-request', '2'], ['x-envoy-fault-delay-request', 'x'],
  ['x-envoy-fault-delay-request-percentage', '0'], ['x-envoy-fault-delay-request-percentage', '100'],
];

function drawAbort(draw: Draw): Omit<FaultAbort, 'percentage'> {
  switch (draw.below(4)) {
    case 0: return { grpcStatus: draw.pick([5, 14]) };
    case 1: return { headerAbort: {} };
    default: return { httpStatus: draw.pick([200, 404, 503]) };
  }
}

/** Shares are all or nothing: others are for the test of shares. */
function drawFault(draw: Draw): HTTPFault {
  const share = () => ({ percentage: { numerator: draw.pick([0, 100, 100]) } });
  return {
    ...draw.maybe(0.3, () => ({
      delay: { ...(draw.chance(0.7) ? { fixedDelay: '0.002s' } : { headerDelay: {} }), ...share() },
    })),
    ...draw.maybe(0.8, () => ({ abort: { ...drawAbort(draw), ...share() } })),
    ...draw.maybe(0.5, () => ({ headers: [{ name: 'x-a', stringMatch: { prefix: 'a' } }] })),
    ...draw.maybe(0.1, () => ({ upstreamCluster: draw.pick(['c1', 'c2']) })),
  };
}

function drawCors(draw: Draw): CorsPolicy {
  return {
    allowOriginStringMatch: [draw.pick(ORIGINS), ...draw.some(1, () => draw.pick(ORIGINS))],
    ...draw.maybe(0.6, () => ({ allowMethods: 'GET, PUT' })), ...draw.maybe(0.5, () => ({ allowHeaders: 'x-a' })),
    ...draw.maybe(0.5, () => ({ exposeHeaders: 'x-up' })), ...draw.maybe(0.5, () => ({ maxAge: '60' })),
    ...draw.maybe(0.5, () => ({ allowCredentials: draw.chance(0.7) })),
    ...draw.maybe(0.3, () => ({ filterEnabled: { defaultValue: { numerator: draw.pick([0, 100]) } } })),
    ...draw.maybe(0.3, () => ({ shadowEnabled: { defaultValue: { numerator: 100 } } })),
    ...draw.maybe(0.3, () => ({ allowPrivateNetworkAccess: true })),
    ...draw.maybe(0.4, () => ({ forwardNotMatchingPreflights: draw.chance(0.5) })),
  };
}

/** A fault or a CORS policy, with this probability. */
export function drawFilterConfig(draw: Draw, probability: number): Pick<Route, 'typedPerFilterConfig'> {
  if (!draw.chance(probability)) return {};
  const config: Route['typedPerFilterConfig'] = draw.chance(0.5) ? { fault: { '@type': FAULT, ...drawFault(draw) } }
    : { cors: { '@type': CORS, ...drawCors(draw) } };
  return { typedPerFilterConfig: config };
}
