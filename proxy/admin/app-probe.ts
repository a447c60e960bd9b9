// Asks an application how it is, in the kubelet's place: by HTTP, TCP or gRPC, from the address that no rule of the
// redirection leads back here.
import type { IncomingMessage, RequestOptions } from 'node:http';
import { connect, isIP } from 'node:net';
import { ConfigError } from '../base/error.ts';

/** Not by `import`, which reads every export of it, and so loads the runtime's fetch. */
const http = process.getBuiltinModule('node:http');

/** Where requests of the proxy to its own application come from. */
const OWN_SOURCE: Readonly<Record<number, string>> = { 4: '127.0.0.6', 6: '::6' };
const REDIRECTS_MAX = 10;
const TIMEOUT_SECONDS_MAX = 300;
const PROBES_MAX = 200;

export interface AppProbe {
  readonly kind: 'httpGet' | 'tcpSocket' | 'grpc';
  readonly port: number;
  readonly host: string | undefined;
  readonly path: string;
  readonly secure: boolean;
  readonly headers: readonly (readonly [string, string])[];
  /** grpc.health.v1's, '' for the whole server. */
  readonly service: string;
  readonly timeoutMs: number;
}

/** Istio's ISTIO_KUBE_APP_PROBERS: a path of ours -> what is asked. Throws a ConfigError with the field. */
export function readAppProbes(value: unknown): ReadonlyMap<string, AppProbe> {
  const probes = new Map<string, AppProbe>();
  if (value === undefined) return probes;
  const entries = Object.entries(record(value, ''));
  if (entries.length > PROBES_MAX) throw fault('', `has more than ${PROBES_MAX} probes`);
  for (const [path, probe] of entries) {
    if (!/^\/app-(health|lifecycle)\/[^/?#]{1,63}\/[a-z]{1,16}$/.test(path)) {
      throw fault(path, 'is no path such as /app-health/web/readyz');
    }
    probes.set(path, readProbe(path, record(probe, path)));
  }
  return probes;
}

function readProbe(path: string, { httpGet, tcpSocket, grpc, timeoutSeconds }: Fields): AppProbe {
  const kinds = [['httpGet', httpGet], ['tcpSocket', tcpSocket], ['grpc', grpc]] as const;
  const given = kinds.filter(([, handler]) => handler !== undefined && handler !== null);
  const [chosen] = given;
  if (chosen === undefined || given.length > 1) throw fault(path, 'needs one of httpGet, tcpSocket and grpc');
  const [kind, value] = chosen;
  const handler = record(value, `${path}.${kind}`);
  // A hook may take as long as the pod's grace period; the kubelet ends it.
  const usual = path.startsWith('/app-lifecycle/') ? 30 : 1;
  const seconds = typeof timeoutSeconds === 'number' && timeoutSeconds > 0 ? timeoutSeconds : usual;
  const asked = text(handler['path'], '/');
  return {
    kind, port: portOf(handler['port'], `${path}.${kind}.port`), host: text(handler['host'], '') || undefined,
    path: asked.startsWith('/') ? asked : `/${asked}`, secure: text(handler['scheme'], 'HTTP') === 'HTTPS',
    headers: headersOf(handler['httpHeaders']), service: text(handler['service'], ''),
    timeoutMs: Math.min(seconds, TIMEOUT_SECONDS_MAX) * 1000,
  };
}

type Fields = Readonly<Record<string, unknown>>;

function record(value: unknown, path: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw fault(path, 'must be an object');
}

function text(value: unknown, usual: string): string {
  return typeof value === 'string' ? value : usual;
}

function portOf(value: unknown, path: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536) return value;
  throw fault(path, 'must be a port');
}

function headersOf(value: unknown): (readonly [string, string])[] {
  const list = Array.isArray(value) ? value as unknown[] : [];
  return list.flatMap((item) => {
    const { name, value: content = '' } = (item ?? {}) as Fields;
    const fits = typeof name === 'string' && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name);
    // oxlint-disable-next-line no-control-regex -- these three are what must not be there
    return fits && typeof content === 'string' && !/[\0\r\n]/.test(content) ? [[name, content] as const] : [];
  });
}

function fault(path: string, reason: string): ConfigError {
  return new ConfigError(path === '' ? 'ISTIO_KUBE_APP_PROBERS' : `ISTIO_KUBE_APP_PROBERS.${path}`, reason);
}

/** The status that the kubelet is told: the application's own, 500 where it does not answer. Never rejects. */
export async function askApplication(probe: AppProbe, podIp: string, userAgent: string): Promise<number> {
  const host = probe.host ?? podIp;
  // Another machine is not asked from an address of this one's loopback.
  const localAddress = host === podIp ? OWN_SOURCE[isIP(podIp)] : undefined;
  const from = localAddress === undefined ? {} : { localAddress };
  try {
    if (probe.kind === 'tcpSocket') return await connects({ host, port: probe.port, ...from }, probe.timeoutMs);
    if (probe.kind === 'grpc') {
      const { askHealth } = await import('./grpc-probe.ts');
      return await askHealth({ host, port: probe.port, ...from }, probe.service, probe.timeoutMs);
    }
    return await asks(probe, host, from, userAgent);
  } catch {
    return 500;
  }
}

function connects(to: { host: string; port: number; localAddress?: string }, timeoutMs: number): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect({ ...to, timeout: timeoutMs });
    const end = (status: number) => (): void => {
      socket.destroy();
      resolve(status);
    };
    socket.once('connect', end(200)).once('error', end(500)).once('timeout', end(500));
  });
}

/** Redirects lead on while they stay with this host, as for the kubelet; another host's is the answer. */
async function asks(
  probe: AppProbe, host: string, from: { localAddress?: string }, userAgent: string,
): Promise<number> {
  const signal = AbortSignal.timeout(probe.timeoutMs);
  const headers = Object.fromEntries([['user-agent', userAgent], ['accept', '*/*'], ...probe.headers]);
  let [secure, port, path] = [probe.secure, probe.port, probe.path];
  for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
    const options: RequestOptions = {
      ...from, host, port, path, headers, signal, agent: false, maxHeaderSize: 65_536,
    };
    const { status, location } = await head(secure, options);
    if (status < 300 || status > 399 || location === undefined) return status;
    const base = `${secure ? 'https' : 'http'}://${isIP(host) === 6 ? `[${host}]` : host}:${port}${path}`;
    if (!URL.canParse(location, base)) return status;
    const next = new URL(location, base);
    if (next.hostname.replace(/^\[|\]$/g, '') !== host || !/^https?:$/.test(next.protocol)) return status;
    secure = next.protocol === 'https:';
    port = next.port === '' ? secure ? 443 : 80 : Number(next.port);
    path = next.pathname + next.search;
  }
  return 500;
}

interface Head {
  readonly status: number;
  readonly location: string | undefined;
}

/** Its body is nobody's matter, however long. */
function head(secure: boolean, options: RequestOptions): Promise<Head> {
  const { promise, resolve, reject } = Promise.withResolvers<Head>();
  const onResponse = (response: IncomingMessage): void => {
    const { statusCode: status = 500, headers: { location } } = response;
    resolve({ status, location });
    response.destroy();
  };
  // As the kubelet, which verifies no certificate either.
  const request = secure
    ? process.getBuiltinModule('node:https').get({ ...options, rejectUnauthorized: false }, onResponse)
    : http.get(options, onResponse);
  request.on('error', reject);
  return promise;
}
