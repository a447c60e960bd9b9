// What a pod's annotations say of its sidecar, by Istio's names and one of weft's: honoured, warned about, or refused.
import { isIP } from 'node:net';
import { decode } from '../../proxy/config/decode.ts';
import { nearestName } from '../../proxy/config/nearest-name.ts';
import { LIMITS } from '../../proxy/config/limits.ts';
import { Refusal } from '../../proxy/config/schema.ts';
import { parseYaml } from '../../proxy/config/yaml-file.ts';
import type { FaultList } from './fault-list.ts';
import type { PodMeta, Values } from './pod.ts';
import { isRecord } from './pod.ts';
import { ProxyConfig } from './proxy-config.ts';

/** Where they stand. */
export const ANNOTATIONS = ['metadata', 'annotations'] as const;
const TEXT_BYTES_MAX = 65_536;

/** Texts, checked; read by name. */
export class PodAnnotations {
  readonly #values: ReadonlyMap<string, string>;
  readonly #faults: FaultList;

  constructor({ annotations = {} }: PodMeta, faults: FaultList) {
    this.#values = new Map(Object.entries(annotations));
    this.#faults = faults;
    for (const [name, value] of this.#values) this.#check(name, value);
  }

  text(name: HonouredAnnotation): string | undefined {
    return this.#values.get(name);
  }

  flag(name: HonouredAnnotation): boolean | undefined {
    const value = this.#values.get(name);
    return value === undefined ? undefined : value === 'true' || value === 'enabled';
  }

  number(name: HonouredAnnotation): number | undefined {
    const value = this.#values.get(name);
    return value === undefined ? undefined : Number(value);
  }

  /** A JSON list or object; what it holds must be of that form. */
  json(name: HonouredAnnotation): unknown {
    const value = this.#values.get(name);
    return value === undefined ? undefined : parseJson(value);
  }

  proxyConfig(): ProxyConfig {
    const value = this.#values.get('proxy.istio.io/config');
    return value === undefined ? {} : this.#proxyConfig(value) ?? {};
  }

  #check(name: string, value: string): void {
    const path = [...ANNOTATIONS, name];
    const form = Object.hasOwn(HONOURED, name) ? HONOURED[name as HonouredAnnotation] : undefined;
    if (form !== undefined) {
      const refusal = value.length > TEXT_BYTES_MAX ? new Refusal('is too long') : form(value);
      if (refusal !== undefined) this.#faults.refuse(path, refusal);
      return;
    }
    const [refused, warned] = [REFUSED.get(name), WARNED.get(name)];
    if (refused !== undefined) this.#faults.error(path, `is not supported: ${refused}`);
    else if (warned !== undefined) this.#faults.warn(path, `changes nothing: ${warned}`);
    else if (isInjectors(name)) this.#faults.error(path, `is not known${nearestName(name, Object.keys(HONOURED))}`);
  }

  #proxyConfig(text: string): ProxyConfig | undefined {
    const path = [...ANNOTATIONS, 'proxy.istio.io/config'];
    const { documents, errors } = parseYaml(text, '');
    if (errors.length > 0 || documents.length > 1) {
      this.#faults.error(path, errors[0]?.reason ?? 'must be one document');
      return undefined;
    }
    const decoded = decode(ProxyConfig, documents[0]?.value ?? {});
    for (const { path: field, reason } of decoded.warnings) this.#faults.warn([...path, field], reason);
    for (const { path: field, reason } of decoded.errors) this.#faults.error([...path, field], reason);
    return decoded.value;
  }
}

/** Those that only an injector reads: a name that is not known there is a mistake. */
function isInjectors(name: string): boolean {
  return name.startsWith('sidecar.weft.dev/')
    || /^(sidecar|proxy|inject|traffic\.sidecar|status\.sidecar|readiness\.status\.sidecar)\.istio\.io\//.test(name);
}

type Form = (value: string) => Refusal | undefined;

const anything: Form = () => undefined;
const flag: Form = (value) => (
  /^(true|false|enabled|disabled)$/.test(value) ? undefined : new Refusal('must be "true" or "false"'));
const word: Form = (value) => (/^\S{1,512}$/.test(value) ? undefined : new Refusal('must be one word'));
const quantity: Form = (value) => (
  /^[0-9]{1,12}(\.[0-9]{1,9})?(m|k|M|G|T|Ki|Mi|Gi|Ti|e[0-9])?$/.test(value) ? undefined
    : new Refusal('must be a quantity such as 100m or 128Mi'));
const whole: Form = (value) => (/^[0-9]{1,6}$/.test(value) ? undefined : new Refusal('must be a whole number'));
const port: Form = (value) => (isPort(value) ? undefined : new Refusal('must be a port'));
const mode: Form = (value) => (
  /^(REDIRECT|TPROXY|NONE)$/.test(value) ? undefined : new Refusal('must be REDIRECT, TPROXY or NONE'));
const hostPort: Form = (value) => (
  /^(\[[0-9a-fA-F:.]+\]|[^:/\s[\]]+):[0-9]{1,5}$/.test(value) ? undefined : new Refusal('must be HOST:PORT'));
const logLevel: Form = (value) => (
  /^(trace|debug|info|warning|error|critical|off)$/.test(value) ? undefined
    : new Refusal('must be trace, debug, info, warning, error, critical or off'));
const volumes: Form = (value) => namedList(parseJson(value), 'name');
const mounts: Form = (value) => namedList(parseJson(value), 'mountPath');
const yaml: Form = (value) => (
  Buffer.byteLength(value) <= LIMITS.configBytesMax ? undefined : new Refusal('is too long'));

export const portList: Form = (value) => {
  if (value === '*') return undefined;
  const wrong = items(value).find((item) => !isPort(item));
  return wrong === undefined ? undefined : new Refusal(`must be ports with commas between, or *, not "${wrong}"`);
};

export const rangeList: Form = (value) => {
  if (value === '*') return undefined;
  const wrong = items(value).find((item) => !isRange(item));
  return wrong === undefined ? undefined : new Refusal(`must be ranges such as 10.0.0.0/8, or *, not "${wrong}"`);
};

/** Between commas; Istio forgives spaces and an empty end. */
export function items(value: string): string[] {
  return value.split(',').map((item) => item.trim()).filter((item) => item !== '');
}

function isPort(text: string): boolean {
  return /^[0-9]{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536;
}

function isRange(text: string): boolean {
  const [address = '', bits, more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more !== undefined) return false;
  return bits === undefined || (/^[0-9]{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A list of objects as Kubernetes writes them, or as Istio allows it one object by names. */
function namedList(value: unknown, key: string): Refusal | undefined {
  const list = Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : undefined;
  if (list === undefined) return new Refusal('must be a list in JSON');
  const named = Array.isArray(value) ? list.every((item) => isRecord(item) && typeof item[key] === 'string')
    : list.every(isRecord);
  return named ? undefined : new Refusal(`must be objects with ${key}`);
}

/** The list form of what namedList admits. */
export function asNamedList(value: unknown): Values[] {
  if (Array.isArray(value)) return value as Values[];
  return Object.entries(isRecord(value) ? value : {}).map(([name, item]) => ({ name, ...(item as Values) }));
}

const HONOURED = {
  'sidecar.istio.io/inject': anything,
  'sidecar.istio.io/status': anything,
  'sidecar.istio.io/nativeSidecar': flag,
  'sidecar.istio.io/interceptionMode': mode,
  'sidecar.istio.io/proxyImage': word,
  'sidecar.istio.io/proxyImageType': word,
  'sidecar.istio.io/proxyCPU': quantity,
  'sidecar.istio.io/proxyCPULimit': quantity,
  'sidecar.istio.io/proxyMemory': quantity,
  'sidecar.istio.io/proxyMemoryLimit': quantity,
  'sidecar.istio.io/rewriteAppHTTPProbers': flag,
  'sidecar.istio.io/userVolume': volumes,
  'sidecar.istio.io/userVolumeMount': mounts,
  'sidecar.istio.io/logLevel': logLevel,
  'sidecar.istio.io/discoveryAddress': hostPort,
  'proxy.istio.io/config': yaml,
  'inject.istio.io/templates': anything,
  'traffic.sidecar.istio.io/includeInboundPorts': portList,
  'traffic.sidecar.istio.io/excludeInboundPorts': portList,
  'traffic.sidecar.istio.io/includeOutboundPorts': portList,
  'traffic.sidecar.istio.io/excludeOutboundPorts': portList,
  'traffic.sidecar.istio.io/includeOutboundIPRanges': rangeList,
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': rangeList,
  'status.sidecar.istio.io/port': port,
  'readiness.status.sidecar.istio.io/initialDelaySeconds': whole,
  'readiness.status.sidecar.istio.io/periodSeconds': whole,
  'readiness.status.sidecar.istio.io/failureThreshold': whole,
  'sidecar.weft.dev/lifecycle': flag,
  'prometheus.io/scrape': anything,
  'prometheus.io/port': anything,
  'prometheus.io/path': anything,
  'prometheus.io/scheme': anything,
  'prometheus.istio.io/merge-metrics': flag,
} as const satisfies Readonly<Record<string, Form>>;

export type HonouredAnnotation = keyof typeof HONOURED;

const everyStatistic = 'all statistics are kept';
const WARNED: ReadonlyMap<string, string> = new Map([
  ['sidecar.istio.io/statsInclusionPrefixes', everyStatistic],
  ['sidecar.istio.io/statsInclusionSuffixes', everyStatistic],
  ['sidecar.istio.io/statsInclusionRegexps', everyStatistic],
  ['sidecar.istio.io/statsHistogramBuckets', 'the buckets are Envoy\'s'],
  ['sidecar.istio.io/statsEvictionInterval', everyStatistic],
  ['sidecar.istio.io/statsCompression', 'statistics are not compressed'],
  ['sidecar.istio.io/extraStatTags', 'the tags are Istio\'s'],
  ['sidecar.istio.io/componentLogLevel', 'there is one level; see sidecar.istio.io/logLevel'],
  ['sidecar.istio.io/agentLogLevel', 'there is one level; see sidecar.istio.io/logLevel'],
  ['sidecar.istio.io/controlPlaneAuthPolicy', 'the control plane is always verified'],
  ['sidecar.istio.io/enableCoreDump', 'no cores are written'],
  ['readiness.status.sidecar.istio.io/applicationPorts', 'the application\'s own probes say that'],
]);

const noInterfaces = 'connections are led by ports, addresses and users; see traffic.sidecar.istio.io/exclude...';
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['sidecar.istio.io/bootstrapOverride', 'the bootstrap is made by the proxy itself'],
  ['traffic.sidecar.istio.io/kubevirtInterfaces', noInterfaces],
  ['istio.io/reroute-virtual-interfaces', noInterfaces],
  ['traffic.sidecar.istio.io/excludeInterfaces', noInterfaces],
  ['traffic.istio.io/nodeSelector', 'it is a Service\'s'],
]);
