// What Istio's agent answers in a pod, on :15020: readiness, the application's probes, metrics of both, the end.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isLoopback } from '../base/cidr.ts';
import { messageOf } from '../base/error.ts';
import { bindFailureText } from '../base/node-error.ts';
import { ConfigError } from '../base/error.ts';
import { askApplication, type AppProbe } from './app-probe.ts';
import { joined, scrape, type MetricsTarget } from './merged-metrics.ts';

const http = process.getBuiltinModule('node:http');

const CONNECTIONS_MAX = 128;
/** Under way at once; the kubelet asks one container's one after the other. */
const PROBES_MAX = 64;
const LIMITS = { requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 16_384 } as const;

export interface StatusServerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly podIp: string;
  /** Of the proxy's admin interface, on 127.0.0.1. */
  readonly adminPort: number;
  readonly probes: ReadonlyMap<string, AppProbe>;
  readonly metrics: MetricsTarget | undefined;
  warning(line: string): void;
}

export class StatusServer {
  readonly port: number;
  readonly #options: StatusServerOptions;
  readonly #server: Server;
  readonly #counts = { passed: 0, failed: 0, refused: 0, scrapeFailures: 0, agentScrapeFailures: 0 };
  #underWay = 0;

  private constructor(options: StatusServerOptions, server: Server) {
    this.#options = options;
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('request', (request, response) => void this.#answer(request, response));
  }

  /** Rejects with a ConfigError when the port cannot be bound. */
  static async start(options: StatusServerOptions): Promise<StatusServer> {
    const server = http.createServer(LIMITS);
    server.maxConnections = CONNECTIONS_MAX;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const host = options.podIp.includes(':') ? '::' : '0.0.0.0';
    server.once('error', (cause) => reject(new ConfigError('statusPort',
      `${options.port}: ${bindFailureText(cause)}`)));
    server.listen(options.port, host, resolve);
    await promise;
    server.on('error', (cause) => options.warning(`the status port: ${messageOf(cause)}`));
    return new StatusServer(options, server);
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => { this.#server.close(() => resolve()); });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => {}).resume();
    response.on('error', () => {});
    const { method = 'GET', url = '/' } = request;
    const [path = '/'] = url.split('?', 1);
    try {
      const [status, body] = await this.#route(method, path, request);
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
      response.end(method === 'HEAD' ? undefined : body);
    } catch (cause) {
      this.#options.warning(`${method} ${path}: ${messageOf(cause)}`);
      response.writeHead(500).end();
    }
  }

  async #route(method: string, path: string, request: IncomingMessage): Promise<readonly [number, string]> {
    const posts = ACTIONS.get(path);
    if (posts !== undefined) return this.#act(method, posts, request);
    if (method !== 'GET' && method !== 'HEAD') return [405, 'only GET here\n'];
    if (path === '/healthz/ready') return this.#admin('GET', '/ready');
    if (path === '/stats/prometheus' || path === '/metrics') return [200, await this.#metrics()];
    const probe = this.#options.probes.get(path);
    return probe === undefined ? [404, 'there is nothing here\n'] : this.#probe(probe, request);
  }

  async #probe(probe: AppProbe, request: IncomingMessage): Promise<readonly [number, string]> {
    if (this.#underWay >= PROBES_MAX) {
      this.#counts.refused++;
      return [503, 'too many probes are under way\n'];
    }
    this.#underWay++;
    try {
      const status = await askApplication(probe, this.#options.podIp, request.headers['user-agent'] ?? 'kube-probe');
      if (status < 400) this.#counts.passed++;
      else this.#counts.failed++;
      return [status < 200 ? 500 : status, ''];
    } finally {
      this.#underWay--;
    }
  }

  /** What changes something is for those inside the pod alone. */
  async #act(method: string, action: string, { socket }: IncomingMessage): Promise<readonly [number, string]> {
    if (method !== 'POST') return [405, 'only POST here\n'];
    if (!isLoopback((socket.remoteAddress ?? '').replace(/^::ffff:/, ''))) return [403, 'only from inside the pod\n'];
    return this.#admin('POST', action);
  }

  /** The admin interface's own answer. */
  #admin(method: string, path: string): Promise<readonly [number, string]> {
    const { promise, resolve } = Promise.withResolvers<readonly [number, string]>();
    const options = { host: '127.0.0.1', port: this.#options.adminPort, method, path, agent: false, timeout: 3000 };
    const request = http.request(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        if (body.length < 65_536) body += chunk;
      });
      response.on('end', () => resolve([response.statusCode ?? 503, body]));
      response.on('error', () => resolve([503, 'the proxy does not answer\n']));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve([503, 'the proxy is not up yet\n']));
    request.end();
    return promise;
  }

  async #metrics(): Promise<string> {
    const { metrics, adminPort } = this.#options;
    const [proxy, application] = await Promise.allSettled([
      scrape({ port: adminPort, path: '/stats/prometheus' }), metrics === undefined ? undefined : scrape(metrics),
    ]);
    const ours = proxy.status === 'fulfilled' && proxy.value.status === 200 ? proxy.value.body : undefined;
    if (ours === undefined) this.#counts.agentScrapeFailures++;
    const given = application.status === 'fulfilled' ? application.value : { status: 500, body: '' };
    if (given !== undefined && given.status !== 200) this.#counts.scrapeFailures++;
    return joined([this.#own(), ours ?? '', given?.status === 200 ? given.body : '']);
  }

  #own(): string {
    const { passed, failed, refused, scrapeFailures, agentScrapeFailures } = this.#counts;
    const rows = [
      ['istio_agent_app_probes_total', { 'result="passed"': passed, 'result="failed"': failed,
        'result="refused"': refused }],
      ['istio_agent_scrape_failures_total', { 'type="application"': scrapeFailures,
        'type="envoy"': agentScrapeFailures }],
    ] as const;
    return rows.map(([name, values]) => `# TYPE ${name} counter\n${Object.entries(values)
      .map(([labels, value]) => `${name}{${labels}} ${value}\n`).join('')}`).join('');
  }
}

/** Istio's paths -> the admin interface's. */
const ACTIONS: ReadonlyMap<string, string> = new Map([
  ['/quitquitquit', '/quitquitquit'], ['/drain', '/drain_listeners?inboundonly&graceful'],
]);
