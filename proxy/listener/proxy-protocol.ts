// The listener filter for the PROXY protocol (envoy.filters.listener.proxy_protocol): whose header is believed, and
// what is kept of it.
import type { ProxyTlv, ProxyVersion } from '../base/proxy-protocol.ts';
import type { PassThroughTlvs, ProxyProtocol } from '../config/proxy-protocol.ts';
import { DynamicMetadata } from '../telemetry/dynamic-metadata.ts';
import { innerScope, statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import { PROXY_PROTOCOL_FILTER } from '../config/type-url.ts';
import type { FirstBytesEnd, FirstBytesReader } from './first-bytes.ts';
import { ProxyHeaderReader } from './proxy-header-reader.ts';
import type { HeaderVerdict, ProxyHeader } from './proxy-header-reader.ts';

const VERSIONS: readonly ProxyVersion[] = ['V1', 'V2'];

export type HeaderEnd = Exclude<HeaderVerdict, 'more'>;

/** With the header's own bytes taken off. */
export class HeaderReader implements FirstBytesReader<HeaderEnd> {
  readonly #reader: ProxyHeaderReader;

  constructor(versions: readonly ProxyVersion[]) {
    this.#reader = new ProxyHeaderReader(versions);
  }

  push(chunk: Buffer): HeaderVerdict {
    return this.#reader.push(chunk);
  }

  taken(verdict: HeaderVerdict): number {
    return typeof verdict === 'string' ? 0 : this.#reader.consumed;
  }

  get version(): ProxyVersion | undefined {
    return this.#reader.version;
  }

  get isSilent(): boolean {
    return this.#reader.consumed === 0;
  }
}

interface VersionStats {
  readonly found: Counter;
  readonly disallowed: Counter;
  readonly error: Counter;
}

/** One filter of a listener, compiled. */
export class ProxyProtocolFilter {
  /** Headers that are looked for. */
  readonly #versions: readonly ProxyVersion[];
  readonly #disallowed: ReadonlySet<ProxyVersion>;
  readonly #isOptional: boolean;
  readonly #keys: ReadonlyMap<number, { readonly namespace: string; readonly key: string }>;
  readonly #passes: (type: number) => boolean;
  readonly #byVersion: Readonly<Record<ProxyVersion, VersionStats>>;
  readonly #notFoundAllowed: Counter;
  readonly #notFoundDisallowed: Counter;
  readonly #errors: Counter;

  constructor(config: ProxyProtocol, stats: Stats) {
    this.#disallowed = new Set(config.disallowedVersions ?? []);
    this.#isOptional = config.allowRequestsWithoutProxyProtocol ?? false;
    // Where a header may be missing, one that must not be is none.
    this.#versions = VERSIONS.filter((version) => !this.#isOptional || !this.#disallowed.has(version));
    this.#keys = new Map((config.rules ?? []).flatMap(({ tlvType = 0, onTlvPresent: to }) => (
      to === undefined ? [] : [[tlvType, { namespace: to.metadataNamespace || PROXY_PROTOCOL_FILTER, key: to.key }]])));
    this.#passes = passedTypes(config.passThroughTlvs);
    const scope = proxyScope(config.statPrefix ?? '');
    const counter = (name: string): Counter => stats.counter(statName(scope, name));
    const byVersion = (name: string): VersionStats => {
      const own = innerScope(scope, `versions.${name}`);
      const one = (stat: string): Counter => stats.counter(statName(own, stat));
      return { found: one('found'), disallowed: one('disallowed'), error: one('error') };
    };
    this.#byVersion = { V1: byVersion('v1'), V2: byVersion('v2') };
    this.#notFoundAllowed = counter('not_found_allowed');
    this.#notFoundDisallowed = counter('not_found_disallowed');
    this.#errors = stats.counter({
      flat: 'downstream_cx_proxy_proto_error', family: 'envoy_downstream_cx_proxy_proto_error', labels: [],
    });
  }

  reader(): HeaderReader {
    return new HeaderReader(this.#versions);
  }

  /** `none`: it goes on without. `refused`: it ends. `mayContinue` says so of connections that are silent. */
  judge(
    end: Exclude<FirstBytesEnd<HeaderEnd>, 'closed'>, reader: HeaderReader, mayContinue: boolean,
  ): ProxyHeader | 'none' | 'refused' {
    const { version } = reader;
    if (typeof end !== 'string') return this.#found(end);
    if (end === 'malformed' || (end === 'timeout' && !reader.isSilent)) {
      if (version !== undefined) this.#byVersion[version].error.inc();
      this.#errors.inc();
      return 'refused';
    }
    if (this.#isOptional && (end === 'none' || mayContinue)) {
      this.#notFoundAllowed.inc();
      return 'none';
    }
    this.#notFoundDisallowed.inc();
    this.#errors.inc();
    return 'refused';
  }

  #found(header: ProxyHeader): ProxyHeader | 'refused' {
    const stats = this.#byVersion[header.version];
    stats.found.inc();
    if (!this.#disallowed.has(header.version)) return header;
    stats.disallowed.inc();
    return 'refused';
  }

  /** What the rules take out of TLVs; undefined for nothing. */
  metadataOf({ tlvs }: ProxyHeader): DynamicMetadata | undefined {
    let metadata: DynamicMetadata | undefined;
    for (const { type, value } of tlvs) {
      const to = this.#keys.get(type);
      if (to === undefined) continue;
      metadata ??= new DynamicMetadata();
      metadata.merge(to.namespace, { [to.key]: textOf(value) });
    }
    return metadata;
  }

  /** Those that upstreams may be told. */
  passedTlvs({ tlvs }: ProxyHeader): readonly ProxyTlv[] {
    return tlvs.filter(({ type }) => this.#passes(type));
  }
}

function passedTypes(config: PassThroughTlvs | undefined): (type: number) => boolean {
  if (config === undefined) return () => false;
  if (config.matchType !== 'INCLUDE') return () => true;
  const types = new Set(config.tlvType ?? []);
  return (type) => types.has(type);
}

/** What is no UTF-8 is replaced, as in Envoy. */
function textOf(value: Buffer): string {
  return value.toString('utf8').replaceAll('\ufffd', '!');
}

/** `proxy_proto.<stat_prefix>.*`; without a prefix `proxy_proto.*`. */
function proxyScope(prefix: string): StatScope {
  return {
    flat: prefix === '' ? 'proxy_proto.' : `proxy_proto.${prefix}.`, family: 'envoy_proxy_proto_',
    labels: prefix === '' ? [] : [['envoy_proxy_protocol_prefix', prefix]],
  };
}
