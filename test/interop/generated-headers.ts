// The generator's header changes, on requests and responses, with values out of operators.
import type { HeaderValueOption } from '../../proxy/config/header-value-option.ts';
import type { Route } from '../../proxy/config/route.ts';
import type { Draw } from '../harness/draw.ts';
import { NAMES } from './generated-matches.ts';

/** Header values whose operators do not depend on the moment, on ports or on the proxy. */
const FORMATS = ['plain', '', 'a%%b', '%REQ(x-a)%', '%REQ(x-a?x-b)%', '%REQ(x-b):2%', '[%REQ(:path)%]', '%PROTOCOL%',
  '%REQ(:METHOD)% %REQ(:authority)%', '%REQ(:SCHEME)%', '%REQ(absent)%', '%ROUTE_NAME%', '%REQ(cookie)%|',
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%', '%REQ(X-Case)%',
  '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%', '%PATH(NQ)%', '%PATH(WQ:ORIG_OR_PATH)%',
  'a, b', '%UPSTREAM_CLUSTER%', '%FILTER_CHAIN_NAME%', '%QUERY_PARAM(q)%', '%QUERY_PARAM(a)%', '%QUERY_PARAM(A):3%',
  '%QUERY_PARAM(q.x)%', '%REQ(accept)%', '%START_TIME%', '%START_TIME(%Y-%m)%', '%REQ(x-twice)%'];
const RESPONSE_FORMATS = [...FORMATS, '%RESP(x-up)%', '%RESP(x-multi)%', '%RESPONSE_CODE%',
  '%RESP(:status)%', '%RESP(absent?x-up):3%', '%UPSTREAM_REQUEST_ATTEMPT_COUNT%', '%RESP(set-cookie)%',
  '%RESPONSE_FLAGS%', '%RESPONSE_FLAGS_LONG%', '%RESPONSE_CODE_DETAILS%'];
const ACTIONS = ['APPEND_IF_EXISTS_OR_ADD', 'ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD',
  'OVERWRITE_IF_EXISTS'] as const;

function drawChange(draw: Draw, formats: readonly string[], names: readonly string[]): HeaderValueOption {
  return {
    header: { key: draw.pick(names), value: draw.pick(formats) },
    ...draw.maybe(0.7, () => ({ appendAction: draw.pick(ACTIONS) })),
    ...draw.maybe(0.2, () => ({ keepEmptyValue: true })),
  };
}

/** The four lists of header changes, as tables, virtual hosts and routes have them. */
export function drawHeaderChanges(draw: Draw, probability: number): HeaderChanges {
  const request = [...NAMES, 'x-new', 'x-level', 'x-forwarded-host', 'x-twice'];
  const response = ['x-up', 'x-multi', 'x-new', 'X-Level', 'content-type', 'cache-control', 'set-cookie'];
  const several = <T>(make: () => T): T[] => [make(), ...draw.some(2, make)];
  return {
    ...draw.maybe(probability, () => ({ requestHeadersToAdd: several(() => drawChange(draw, FORMATS, request)) })),
    ...draw.maybe(probability / 3, () => ({ requestHeadersToRemove: several(() => draw.pick(request)) })),
    ...draw.maybe(probability, () => ({
      responseHeadersToAdd: several(() => drawChange(draw, RESPONSE_FORMATS, response)),
    })),
    ...draw.maybe(probability / 3, () => ({
      responseHeadersToRemove: several(() => draw.pick([...response, 'x-gone'])),
    })),
  };
}

export type HeaderChanges = Pick<Route, 'requestHeadersToAdd' | 'requestHeadersToRemove' | 'responseHeadersToAdd'
  | 'responseHeadersToRemove'>;
