// A mesh of pods whose connections `weft init` redirects: its control plane on the bridge's host, a sidecar in each.
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workloadSpiffeId } from '../../certs/spiffe.ts';
import { openStore } from '../../certs/store.ts';
import { TokenAuthority } from '../../certs/token.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { findEnvoy } from './peers.ts';
import { APPLICATION_USER, HOST_IP, SIDECAR_USER, type Pod } from './pod-network.ts';
import { answers, ServerProcess } from './process.ts';
import type { ProxyKind } from './proxy-process.ts';
import { redirectedBootstrap, type PodCredentials } from './redirected-sidecar.ts';

export const WEFT: string = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const TRUST_DOMAIN = 'cluster.local';
const CA_PORT = 15_012;
/** Several sidecars start at once, beside all else that runs. */
const READY_MS = 60_000;

export interface SidecarOptions {
  /** Options of `weft init`. */
  readonly init?: readonly string[];
  /** Beside what says who it is. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** By TPROXY, with the right that it needs. Default by REDIRECT. */
  readonly transparent?: boolean;
  /** Default weft. An Envoy has its certificate from a weft beside it. */
  readonly kind?: ProxyKind;
}

/** For what follows it, run by root: the sidecar's user, with CAP_NET_ADMIN. */
const NET_ADMIN = ['setpriv', '--reuid', String(SIDECAR_USER), '--regid', String(SIDECAR_USER), '--clear-groups',
  '--inh-caps', '+net_admin', '--ambient-caps', '+net_admin'];

export class PodMesh implements AsyncDisposable {
  /** Everybody may read it. */
  readonly folder: string = mkdtempSync(join(tmpdir(), 'weft-pods-'));
  readonly #running: ServerProcess[] = [];
  readonly #tokens: TokenAuthority;
  readonly #rootFile: string;

  constructor() {
    chmodSync(this.folder, 0o755);
    mkdirSync(join(this.folder, 'mesh'));
    const store = openStore({ dir: join(this.folder, 'ca'), trustDomain: TRUST_DOMAIN });
    this.#tokens = new TokenAuthority({ key: store.tokenKey, trustDomain: TRUST_DOMAIN, clock: systemClock });
    // The root alone is for everybody.
    this.#rootFile = this.write('root.pem', store.roots.map(String).join(''));
  }

  /** The path of a file of the mesh's YAML. */
  rules(name: string): string {
    return join(this.folder, 'mesh', name);
  }

  /** Its path. */
  write(name: string, content: string): string {
    const file = join(this.folder, name);
    writeFileSync(file, content);
    return file;
  }

  async startControl(): Promise<void> {
    const args = ['control', '--config', join(this.folder, 'mesh'), '--xds', `${HOST_IP}:15010`,
      '--secure', `${HOST_IP}:${CA_PORT}`, '--http', '127.0.0.1:15080', '--ca-dir', join(this.folder, 'ca')];
    const control = new ServerProcess(process.execPath, [WEFT, ...args], { name: 'control' });
    this.#running.push(control);
    await control.until(() => answers('http://127.0.0.1:15080/api/status'));
  }

  startApplication(pod: Pod, command: string, ...args: string[]): void {
    this.#running.push(pod.start(APPLICATION_USER, command, args, 'application'));
  }

  /** Its identity is that of the pod's name. */
  async startSidecar(pod: Pod, options: SidecarOptions = {}): Promise<void> {
    const { init = [], metadata = {}, transparent = false, kind = 'weft' } = options;
    const identity = workloadSpiffeId(TRUST_DOMAIN, 'default', pod.name);
    assert.ok(identity !== undefined);
    const token = this.write(`${pod.name}.token`, await this.#tokens.mint(identity));
    const credentials = { address: `${HOST_IP}:${CA_PORT}`, token, rootFile: this.#rootFile };
    const bootstrap = redirectedBootstrap(
      pod, credentials, { ...(transparent && { INTERCEPTION_MODE: 'TPROXY' }), ...metadata }) as Bootstrap;
    if (kind === 'envoy') bootstrap.static_resources.clusters.push(await this.#startAgent(pod, credentials));
    const file = this.write(`${pod.name}.json`, JSON.stringify(bootstrap));
    pod.configure(process.execPath, WEFT, 'init', ...(transparent ? ['--mode', 'TPROXY'] : []), ...init);
    const args = ['-c', file, '--concurrency', '1', '-l', 'warning', '--drain-time-s', '1'];
    const run = kind === 'envoy' ? [findEnvoy(false), ...args, '--use-dynamic-base-id']
      : [process.execPath, WEFT, 'proxy', ...args];
    const [command = '', ...rest] = [...(transparent ? NET_ADMIN : []), ...run];
    const sidecar = pod.start(transparent ? 0 : SIDECAR_USER, command, rest, 'sidecar');
    this.#running.push(sidecar);
    await sidecar.until(() => answers(`http://${pod.ip}:15000/ready`), READY_MS);
  }

  /** A weft that serves secrets alone, at a socket; the cluster by which an Envoy asks it, as Istio's agent has it. */
  async #startAgent(pod: Pod, { address, token, rootFile }: PodCredentials): Promise<object> {
    const folder = join(this.folder, `${pod.name}-agent`);
    mkdirSync(folder);
    chownSync(folder, SIDECAR_USER, SIDECAR_USER);
    const socket = join(folder, 'sds');
    const agent = { address, token_file: token, root_file: rootFile, trust_domain: TRUST_DOMAIN, sds_socket: socket };
    const file = this.write(`${pod.name}-agent.json`, JSON.stringify({
      node: { id: `${pod.name}-agent`, cluster: pod.name, metadata: { WEFT_CA: agent } },
      admin: { address: { socket_address: { address: pod.ip, port_value: 15_100 } } },
    }));
    const args = [WEFT, 'proxy', '-c', file, '--concurrency', '1', '-l', 'warning'];
    const launched = pod.start(SIDECAR_USER, process.execPath, args, 'agent');
    this.#running.push(launched);
    await launched.until(() => answers(`http://${pod.ip}:15100/ready`), READY_MS);
    return sdsCluster(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running.map((process) => process.stop()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface Bootstrap {
  readonly static_resources: { readonly clusters: object[] };
}

function sdsCluster(path: string): object {
  const type = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const http2 = { '@type': type, explicit_http_config: { http2_protocol_options: {} } };
  const endpoint = { address: { pipe: { path } } };
  return {
    name: 'sds-grpc', type: 'STATIC', connect_timeout: '1s',
    typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': http2 },
    load_assignment: { cluster_name: 'sds-grpc', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
}

/** Of curl: what it printed, or `closed`. */
export async function curl(pod: Pod, url: string, ...args: string[]): Promise<string> {
  const { code, stdout } = await pod.run('curl', '-s', '-m', '10', '-w', '%{http_code}', ...args, url);
  return code === 0 ? stdout : [52, 56].includes(code) ? 'closed' : `curl ends with ${code}`;
}

/** For python3: an HTTP server that says who is asked and what its sidecar says of the caller; NAME PORT [ADDRESS]. */
export const WEB = `
import http.server, socket, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = '%s %s\\n' % (sys.argv[1], self.headers.get('x-forwarded-client-cert', 'nobody'))
        self.send_response(200); self.send_header('content-length', str(len(body))); self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *args): pass
host = sys.argv[3] if len(sys.argv) > 3 else '0.0.0.0'
if ':' in host: http.server.ThreadingHTTPServer.address_family = socket.AF_INET6
http.server.ThreadingHTTPServer((host, int(sys.argv[2])), Answer).serve_forever()`;
