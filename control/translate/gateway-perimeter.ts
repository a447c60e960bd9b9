// What a gateway takes at most of a request, and which proxies before it are believed about its client.
import type { HttpConnectionManager, HttpFilter } from '../../proxy/config/http-connection-manager.ts';
import type { TokenBucket } from '../../proxy/config/rate-limit.ts';
import { BUFFER_TYPE, LOCAL_RATE_LIMIT_TYPE } from '../../proxy/config/type-url.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { UNLIMITED } from './mesh-settings.ts';
import type { ProxyNode } from './proxy-node.ts';

/** Annotations of Gateways, and the greatest value of each; Istio has no field for them. */
export const PERIMETER_ANNOTATIONS = {
  'gateway.weft.dev/max-request-bytes': 64 * 1024 * 1024,
  'gateway.weft.dev/max-request-headers-kb': 8192,
  'gateway.weft.dev/max-requests-per-second': 1_000_000,
  'gateway.weft.dev/max-requests-per-second-per-client': 1_000_000,
} as const;

type Annotation = keyof typeof PERIMETER_ANNOTATIONS;
type Annotated = Pick<MeshObject<'Gateway'>, 'annotations'>;

/** A whole number from 1 to the annotation's greatest; undefined where it is not there, or none. */
export function perimeterValue({ annotations }: Annotated, name: Annotation): number | undefined {
  const text = annotations.get(name) ?? '';
  const value = /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : undefined;
  return value !== undefined && value <= PERIMETER_ANNOTATIONS[name] ? value : undefined;
}

/** Requests are held until they are whole; what is denied before is not. */
export function bodyLimit(gateway: Annotated): HttpFilter[] {
  const maxRequestBytes = perimeterValue(gateway, 'gateway.weft.dev/max-request-bytes');
  if (maxRequestBytes === undefined) return [];
  return [{ name: 'envoy.filters.http.buffer', typedConfig: { '@type': BUFFER_TYPE, maxRequestBytes } }];
}

/**
 * Requests beyond are answered 429, before anything else is done for them: those of the whole gateway, which all of its
 * workers count together, and those of one client address, as the gateway believes it. A second's worth may come at
 * once.
 */
export function rateLimit(gateway: Annotated): HttpFilter[] {
  const all = perimeterValue(gateway, 'gateway.weft.dev/max-requests-per-second');
  const each = perimeterValue(gateway, 'gateway.weft.dev/max-requests-per-second-per-client');
  if (all === undefined && each === undefined) return [];
  const always = { defaultValue: { numerator: 100 } };
  return [{
    name: 'envoy.filters.http.local_ratelimit',
    typedConfig: {
      '@type': LOCAL_RATE_LIMIT_TYPE,
      statPrefix: 'perimeter',
      filterEnabled: always,
      filterEnforced: always,
      enableXRatelimitHeaders: 'DRAFT_VERSION_03',
      tokenBucket: bucket(all ?? UNLIMITED),
      ...(each !== undefined && {
        descriptors: [{ entries: [{ key: 'remote_address' }], tokenBucket: bucket(each) }],
        rateLimits: [{ actions: [{ remoteAddress: {} }] }],
      }),
    },
  }];
}

function bucket(perSecond: number): TokenBucket {
  return { maxTokens: perSecond, tokensPerFill: perSecond, fillInterval: '1s' };
}

/** Of the connection manager. */
export function perimeterSettings(
  gateway: Annotated, { trustedProxies }: Pick<ProxyNode, 'trustedProxies'>,
): Pick<HttpConnectionManager, 'xffNumTrustedHops' | 'maxRequestHeadersKb'> {
  const maxRequestHeadersKb = perimeterValue(gateway, 'gateway.weft.dev/max-request-headers-kb');
  return {
    ...(trustedProxies > 0 && { xffNumTrustedHops: trustedProxies }),
    ...(maxRequestHeadersKb !== undefined && { maxRequestHeadersKb }),
  };
}
