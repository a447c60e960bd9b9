// Runs a scenario of external authorization through one proxy: what clients, upstream, service, log and stats see.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { startGrpcAuthorizer, startHttpAuthorizer } from '../harness/authorizer.ts';
import type { Authorizer, HttpScript, Script, Told } from '../harness/authorizer.ts';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { http2Cluster } from '../harness/http2-bootstrap.ts';
import { ProxyProcess, type ProxyKind } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener, staticCluster } from '../harness/weft.ts';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3';
const FILE_LOG = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';
const LINE = '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% '
  + '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:k)%\n';

export interface AuthAsk {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string;
}

export interface AuthScenario {
  readonly name: string;
  readonly filter?: Record<string, unknown>;
  /** Of the service's configuration. */
  readonly service?: Record<string, unknown>;
  readonly scripts?: Record<string, Script | HttpScript>;
  /** Nobody listens where the service should be. */
  readonly gone?: boolean;
  /** typed_per_filter_config of `/own`. */
  readonly route?: Record<string, unknown>;
  readonly asks: readonly AuthAsk[];
}

export type ServiceKind = 'grpc' | 'http';

function bootstrapFor(
  { filter, service, route }: AuthScenario, kind: ServiceKind, ports: { upstream: number; auth: number }, log: string,
): unknown {
  const asked = kind === 'grpc'
    ? { grpc_service: { envoy_grpc: { cluster_name: 'auth' }, timeout: '5s', ...service } }
    : { http_service: { server_uri: { uri: 'http://auth.test:80', cluster: 'auth', timeout: '5s' }, ...service } };
  const typed = { '@type': `${FILTERS}.ExtAuthz`, transport_api_version: 'V3', ...asked, ...filter };
  const own = { auth: { '@type': `${FILTERS}.ExtAuthzPerRoute`, ...route } };
  const to = (match: object, more: object = {}): object => ({ match, route: { cluster: 'service' }, ...more });
  const routes = [
    ...(route === undefined ? [] : [to({ prefix: '/own' }, { typed_per_filter_config: own })]),
    to({ prefix: '/', headers: [{ name: 'x-other', string_match: { exact: 'yes' } }] },
      { response_headers_to_add: [{ header: { key: 'x-route', value: 'other' } }] }),
    to({ prefix: '/' }, { response_headers_to_add: [{ header: { key: 'x-route', value: 'plain' } }] }),
  ];
  const format = { text_format_source: { inline_string: LINE } };
  const listener = httpListener(routes, {
    http_filters: [{ name: 'auth', typed_config: typed }],
    access_log: [{ name: 'file', typed_config: { '@type': FILE_LOG, path: log, log_format: format } }],
  });
  return bootstrapOf([listener], [staticCluster('service', [ports.upstream]),
    kind === 'grpc' ? http2Cluster('auth', ports.auth) : staticCluster('auth', [ports.auth])]);
}

const HIDDEN = /^(date|server|connection|keep-alive|x-envoy-upstream-service-time|transfer-encoding)$/;

async function ask(agent: Agent, port: number, each: AuthAsk): Promise<unknown> {
  const { path = '/', method = 'GET', headers = {}, body } = each;
  const answer = await request(`http://127.0.0.1:${port}${path}`, {
    dispatcher: agent, method: method as 'GET', headers: headers as Record<string, string>,
    ...(body !== undefined && { body }),
  });
  const text = await answer.body.text();
  const echo = text.startsWith('{"server"') ? JSON.parse(text) as Echo : undefined;
  const shown = Object.entries(answer.headers)
    .filter(([name]) => !HIDDEN.test(name) && !(echo !== undefined && name === 'content-length'));
  return { status: answer.statusCode, headers: Object.fromEntries(byName(shown)), echo: seen(echo) ?? text };
}

/** What of the request is not the proxy's own chance. */
function seen(echo: Echo | undefined): unknown {
  if (echo === undefined) return undefined;
  const headers = Object.entries(echo.headers).filter(([name]) => name !== 'x-request-id' && name !== 'host');
  return { ...echo, headers: Object.fromEntries(byName(headers)) };
}

const CHANCES = new Set(['x-request-id', 'host', ':authority', 'x-envoy-auth-failure', 'connection', 'time', 'id',
  'portValue', 'rawValue']);

/** What the service was told, without ports, times and ids. */
function steady(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(steady);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([name, inner]) => !CHANCES.has(name) && !isBare(name, inner));
  return Object.fromEntries(byName(kept.map(([name, inner]) => [name, steady(inner)] as const)));
}

/** A length of 0 is no header here, whether the client wrote it or not. */
function isBare(name: string, value: unknown): boolean {
  return name === 'content-length' && value === '0';
}

function byName<T>(entries: readonly (readonly [string, T])[]): (readonly [string, T])[] {
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

const STATS = ['ok', 'denied', 'error', 'disabled', 'failure_mode_allowed', 'invalid'];

async function statsOf(proxy: ProxyProcess, prefix: string): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  const names = [...STATS.map((name) => `http.http.ext_authz.${prefix}${name}`),
    ...STATS.map((name) => `cluster.service.ext_authz.${prefix}${name}`), 'cluster.service.upstream_rq_403',
    'cluster.service.upstream_rq_completed'];
  for (const name of names) {
    const value = await proxy.stat(name).catch(() => 0);
    if (value !== 0) found[name] = value;
  }
  return found;
}

export interface AuthSeen {
  readonly answers: readonly unknown[];
  readonly told: unknown;
  readonly stats: Record<string, number>;
  readonly log: readonly string[];
}

export async function runScenario(proxy: ProxyKind, kind: ServiceKind, scenario: AuthScenario): Promise<AuthSeen> {
  const { scripts = {} } = scenario;
  await using upstream = await EchoServer.start('service');
  await using authorizer = kind === 'grpc' ? await startGrpcAuthorizer(scripts as Record<string, Script>)
    : await startHttpAuthorizer(scripts as Record<string, HttpScript>);
  const folder = await mkdtemp(join(tmpdir(), 'weft-ext-authz-'));
  const log = join(folder, 'access.log');
  const ports = { upstream: upstream.port, auth: scenario.gone === true ? 1 : authorizer.port };
  try {
    const seen = await talk(proxy, scenario, bootstrapFor(scenario, kind, ports, log), authorizer);
    return { ...seen, log: (await readFile(log, 'latin1')).trimEnd().split('\n') };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The log is whole when it returns, since the proxy has ended. */
async function talk(
  kind: ProxyKind, { asks, filter }: AuthScenario, bootstrap: unknown, authorizer: Authorizer,
): Promise<Omit<AuthSeen, 'log'>> {
  await using proxy = await ProxyProcess.start(kind, bootstrap);
  const agent = new Agent({ connections: 1 });
  const answers: unknown[] = [];
  for (const each of asks) answers.push(await ask(agent, proxy.port('http'), each));
  await agent.close();
  const prefix = filter?.['stat_prefix'];
  const stats = await statsOf(proxy, typeof prefix === 'string' ? `${prefix}.` : '');
  return { answers, told: steady(authorizer.told as Told[]), stats };
}
