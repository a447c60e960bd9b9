// Every command of the admin interface, under Envoy's paths.
import { ConfigError } from '../base/error.ts';
import type { AdminRequest, AdminResponse } from './admin-response.ts';
import { flag, text } from './admin-response.ts';
import type { AdminSource } from './admin-source.ts';
import { certificatesResponse } from './certificates-view.ts';
import { clustersResponse } from './clusters-view.ts';
import { indexPage } from './index-page.ts';
import type { CommandHelp } from './index-page.ts';
import { prometheusText } from './prometheus.ts';
import {
  initDumpResponse, listenersResponse, memoryResponse, readyResponse, serverInfoResponse,
} from './server-view.ts';
import { select, statsResponse } from './stats-view.ts';

type Run = (source: AdminSource, request: AdminRequest) => AdminResponse | Promise<AdminResponse>;

/** `method` POST: it changes something, and a GET is refused. */
interface Command extends CommandHelp {
  readonly run: Run;
}

const OK = 'OK\n';

const COMMANDS: readonly Command[] = [
  get('/', 'Admin home page', (source) => indexPage(COMMANDS, `weft ${source.node.id}`)),
  get('/certs', 'certificates with names and expiry', (source) => certificatesResponse(source)),
  get('/clusters', 'upstream cluster status (?format=json)', (source, { query }) => clustersResponse(source, query)),
  get('/config_dump', 'current configuration (?resource=, ?mask=, ?name_regex=, ?include_eds)', (source, { query }) =>
    source.configDump(query)),
  post('/drain_listeners', 'drain listeners (?inboundonly, ?graceful, ?skip_exit)', (source, { query }) =>
    source.drainListeners({
      inboundOnly: flag(query, 'inboundonly'), graceful: flag(query, 'graceful'), skipExit: flag(query, 'skip_exit'),
    })),
  post('/healthcheck/fail', 'cause the server to fail health checks', (source) => source.failHealthCheck(true)),
  post('/healthcheck/ok', 'cause the server to pass health checks', (source) => source.failHealthCheck(false)),
  get('/help', 'list of commands', () => text(`admin commands are:\n${commandList()}`)),
  get('/init_dump', 'what the server still waits for', (source) => initDumpResponse(source)),
  get('/listeners', 'listener addresses (?format=json)', (source, { query }) => listenersResponse(source, query)),
  { path: '/logging', method: 'POST', help: 'change log levels (?level=, ?paths=component:level,…)', run: logging },
  get('/memory', 'current memory of the process', () => memoryResponse()),
  post('/quitquitquit', 'exit the server', (source) => source.quit()),
  get('/ready', '200 when the server is ready, else 503 and why', (source) => readyResponse(source)),
  post('/reopen_logs', 'open access logs again, after rotation', (source) => source.reopenLogs()),
  get('/server_info', 'server version and state', (source) => serverInfoResponse(source)),
  get('/stats', 'stats (?filter=, ?usedonly, ?type=, ?format=text|json|prometheus)', (source, { query }) =>
    statsResponse(source.stats(), query)),
  get('/stats/prometheus', 'stats in Prometheus format (?filter=, ?usedonly)', (source, { query }) =>
    prometheusText(select(source.stats(), query))),
];

const BY_PATH: ReadonlyMap<string, Command> = new Map(COMMANDS.map((command) => [command.path, command]));

function get(path: string, help: string, run: Run): Command {
  return { path, method: 'GET', help, run };
}

function post(path: string, help: string, act: (source: AdminSource, request: AdminRequest) => void): Command {
  const run: Run = (source, request) => {
    act(source, request);
    return text(OK);
  };
  return { path, method: 'POST', help, run };
}

/** Runs a command. A ConfigError of the command is the caller's fault and answers 400. */
export async function runCommand(source: AdminSource, request: AdminRequest): Promise<AdminResponse> {
  const command = BY_PATH.get(request.path);
  if (command === undefined) return text(`invalid path. admin commands are:\n${commandList()}`, 404);
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  if (method !== command.method) {
    return text(`${request.path} takes ${command.method}: curl -X ${command.method} ADDRESS${request.path}\n`, 405);
  }
  try {
    return await command.run(source, request);
  } catch (cause) {
    if (cause instanceof ConfigError) return text(`${cause.message}\n`, 400);
    throw cause;
  }
}

function commandList(): string {
  return COMMANDS.map(({ path, method, help }) => `  ${path}${method === 'POST' ? ' (POST)' : ''}: ${help}\n`).join('');
}

/** ?level= for all, ?paths=a:debug,b:info or ?component=level for some, nothing to look. */
function logging(source: AdminSource, { query }: AdminRequest): AdminResponse {
  for (const [name, value] of query) {
    if (name === 'level') source.setLogLevel(value, undefined);
    else if (name !== 'paths') source.setLogLevel(value, name);
    else for (const [component, level] of pathsOf(value)) source.setLogLevel(level, component);
  }
  const lines = [...source.logLevels()].map(([component, level]) => `  ${component}: ${level}\n`);
  return text(`active loggers:\n${lines.join('')}`);
}

function pathsOf(value: string): (readonly [component: string, level: string])[] {
  return value.split(',').map((entry) => {
    const [component = '', level, more] = entry.split(':', 3);
    if (level === undefined || more !== undefined) throw new ConfigError('paths', `'${entry}' is not component:level`);
    return [component, level];
  });
}
