// When the certificates of the configuration end, as gauges that are made at each scrape: of every secret, of every
// listener under Envoy's name, and of the first of all.
import { X509Certificate, createHash } from 'node:crypto';
import { certificatePems, certificateSets } from '../admin/certificates-view.ts';
import type { DataSource } from '../config/data-source.ts';
import type { Listener } from '../config/listener.ts';
import type { Secret } from '../config/tls.ts';
import { DOWNSTREAM_TLS_TYPE } from '../config/type-url.ts';
import type { StatSnapshot } from '../telemetry/stat-snapshot.ts';
import { innerScope, listenerScope, serverScope, statName } from '../telemetry/stat-name.ts';
import type { StatName } from '../telemetry/stats.ts';
import type { ConfigStore } from './config-store.ts';

const DAY_MS = 86_400_000;

/** What Envoy says where no certificate is. */
const NEVER_DAYS = 4_294_967_295;

/** Certificates of one resource: when the first of its own ends, and the first of what it trusts; Unix ms. */
interface Ends {
  readonly ownMs: number;
  readonly trustedMs: number;
}

export class CertificateExpiry {
  readonly #store: ConfigStore;
  /** Resources are never changed in place: each is read once. */
  readonly #ends = new WeakMap<object, Ends>();

  constructor(store: ConfigStore) {
    this.#store = store;
  }

  /** `secret.<name>.seconds_to_expiry`, Envoy's gauges of listeners, and `server.days_until_first_cert_expiring`. */
  gauges(nowMs: number): StatSnapshot[] {
    const gauges: StatSnapshot[] = [];
    for (const [secret, { resource }] of this.#store.list('secret')) {
      const { ownMs, trustedMs } = this.#endsOf(resource);
      const endMs = Math.min(ownMs, trustedMs);
      if (endMs !== Infinity) gauges.push(gauge(secretName(secret), Math.floor((endMs - nowMs) / 1000)));
    }
    for (const { resource } of this.#store.list('listener').values()) {
      gauges.push(...this.#ofListener(resource as Listener));
    }
    const firstMs = this.#firstMs();
    const days = firstMs === Infinity ? NEVER_DAYS : Math.max(0, Math.floor((firstMs - nowMs) / DAY_MS));
    gauges.push(gauge(statName(serverScope, 'days_until_first_cert_expiring'), days));
    return gauges;
  }

  #firstMs(): number {
    let firstMs = Infinity;
    for (const kind of ['secret', 'cluster', 'listener'] as const) {
      for (const { resource } of this.#store.list(kind).values()) {
        const { ownMs, trustedMs } = this.#endsOf(resource);
        firstMs = Math.min(firstMs, ownMs, trustedMs);
      }
    }
    return firstMs;
  }

  #ofListener(listener: Listener): StatSnapshot[] {
    const { address: host = '', portValue = 0 } = listener.address.socketAddress ?? {};
    const scope = innerScope(listenerScope(listener.statPrefix ?? `${host}:${portValue}`), 'ssl');
    const seconds = new Map<string, number>();
    for (const { transportSocket } of listener.filterChains ?? []) {
      const config = transportSocket?.typedConfig;
      if (config?.['@type'] !== DOWNSTREAM_TLS_TYPE) continue;
      const { tlsCertificates = [], tlsCertificateSdsSecretConfigs = [] } = config.commonTlsContext;
      for (const { certificateChain } of tlsCertificates) {
        if (certificateChain !== undefined) seconds.set(inlineName(certificateChain), endOf([certificateChain]));
      }
      for (const { name } of tlsCertificateSdsSecretConfigs) {
        const secret = this.#store.get('secret', name)?.resource as Secret | undefined;
        if (secret !== undefined) seconds.set(name, this.#endsOf(secret).ownMs);
      }
    }
    return [...seconds].filter(([, endMs]) => endMs !== Infinity).map(([name, endMs]) => gauge({
      flat: `${scope.flat}certificate.${name}.expiration_unix_time_seconds`,
      family: `${scope.family}certificate_expiration_unix_time_seconds`,
      labels: [['envoy_tls_certificate', name], ...scope.labels],
    }, Math.floor(endMs / 1000)));
  }

  #endsOf(resource: unknown): Ends {
    const key = resource as object;
    let ends = this.#ends.get(key);
    if (ends === undefined) {
      const sets = certificateSets(resource);
      ends = {
        ownMs: endOf(sets.flatMap(({ chains }) => chains)), trustedMs: endOf(sets.flatMap(({ roots }) => roots)),
      };
      this.#ends.set(key, ends);
    }
    return ends;
  }
}

function secretName(secret: string): StatName {
  return { flat: `secret.${secret}.seconds_to_expiry`, family: 'weft_secret_seconds_to_expiry',
    labels: [['secret', secret]] };
}

/** As Envoy calls a certificate that is no secret: by the digest of its file's name. */
function inlineName({ filename = '' }: DataSource): string {
  return `unnamed_cert_${createHash('sha256').update(filename).digest('hex').slice(0, 8)}`;
}

function endOf(sources: readonly DataSource[]): number {
  return Math.min(...sources.flatMap(certificatePems).map(notAfterMs));
}

function notAfterMs(pem: string): number {
  try {
    return new X509Certificate(pem).validToDate.getTime();
  } catch {
    return Infinity; // it was refused where it was compiled
  }
}

function gauge(name: StatName, value: number): StatSnapshot {
  return { kind: 'gauge', name, value };
}
