// What a rule tells the filters of its route: injected faults and cross-origin rules.
import type { CorsPolicy as CorsConfig } from '../../proxy/config/cors.ts';
import { durationMs } from '../../proxy/config/duration.ts';
import type { FaultAbort, HTTPFault } from '../../proxy/config/fault.ts';
import type { FractionalPercent } from '../../proxy/config/percent.ts';
import type { Route } from '../../proxy/config/route.ts';
import { CORS_POLICY_TYPE, FAULT_TYPE } from '../../proxy/config/type-url.ts';
import { GRPC_STATUS } from '../model/http-route.ts';
import type { CorsPolicy, Fault, HttpRule } from '../model/http-route.ts';
import { CORS_FILTER, FAULT_FILTER } from './http-filter.ts';
import { stringMatcher } from './route-match.ts';

type PerFilter = NonNullable<Route['typedPerFilterConfig']>;

export function routeFilters(rule: HttpRule): Pick<Route, 'typedPerFilterConfig'> {
  const filters: PerFilter = {};
  if (rule.fault !== undefined) filters[FAULT_FILTER] = { '@type': FAULT_TYPE, ...fault(rule.fault) };
  if (rule.corsPolicy !== undefined) filters[CORS_FILTER] = { '@type': CORS_POLICY_TYPE, ...cors(rule.corsPolicy) };
  return Object.keys(filters).length === 0 ? {} : { typedPerFilterConfig: filters };
}

function fault({ delay, abort }: Fault): HTTPFault {
  return {
    ...(delay !== undefined && {
      delay: { fixedDelay: delay.fixedDelay, percentage: fraction(delay.percentage?.value) },
    }),
    ...(abort !== undefined && {
      abort: { ...abortStatus(abort), percentage: fraction(abort.percentage?.value) },
    }),
  };
}

function abortStatus({ httpStatus, grpcStatus }: NonNullable<Fault['abort']>): Partial<FaultAbort> {
  return grpcStatus === undefined ? { httpStatus: httpStatus ?? 0 } : { grpcStatus: GRPC_STATUS.indexOf(grpcStatus) };
}

/** Percent with four decimals, as Istio rounds it; absent is none. */
export function fraction(percent = 0): FractionalPercent {
  return { numerator: Math.round(percent * 10_000), denominator: 'MILLION' };
}

export function cors(policy: CorsPolicy): CorsConfig {
  const { allowMethods, allowHeaders, exposeHeaders, maxAge, allowCredentials } = policy;
  return {
    allowOriginStringMatch: (policy.allowOrigins ?? []).map(stringMatcher),
    ...(allowMethods !== undefined && { allowMethods: allowMethods.join(',') }),
    ...(allowHeaders !== undefined && { allowHeaders: allowHeaders.join(',') }),
    ...(exposeHeaders !== undefined && { exposeHeaders: exposeHeaders.join(',') }),
    ...(maxAge !== undefined && { maxAge: String(Math.floor((durationMs(maxAge) ?? 0) / 1000)) }),
    ...(allowCredentials !== undefined && { allowCredentials }),
    forwardNotMatchingPreflights: policy.unmatchedPreflights !== 'IGNORE',
    filterEnabled: { defaultValue: { numerator: 100, denominator: 'HUNDRED' } },
  };
}
