// curl and nghttp as independent clients of a proxy: one process, and so one connection, for each request.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SimpleSession } from './http-peer.ts';
import type { Ability, HttpVersion, PeerAnswer, PeerClient, PeerRequest } from './http-peer.ts';
import { findProgram } from './peers.ts';

/** `ca` is the root of the proxy's certificate, in PEM. */
export function commandPeers(ca: string): readonly PeerClient[] {
  const rows: readonly (readonly [HttpVersion, boolean])[] = [
    ['HTTP/1.1', false], ['HTTP/1.1', true], ['HTTP/2', false], ['HTTP/2', true],
  ];
  // curl prints no trailers, and its parallel transfers do not share a connection by prior knowledge.
  const cannot: readonly Ability[] = ['request trailers', 'response trailers', 'wait for the response', 'many at once'];
  const curls = rows.map(([version, secure]) => ({
    name: 'curl', version, secure, cannot, skip: withoutCurl(version),
    open: (port: number) => new CurlSession(port, version, secure ? ca : undefined),
  }));
  const nghttps = [false, true].map((secure) => ({
    name: 'nghttp', version: 'HTTP/2' as const, secure, cannot: ['wait for the response' as const],
    skip: findProgram('nghttp') === undefined ? 'nghttp is not installed (Debian: nghttp2-client)' : false as const,
    open: (port: number) => new NghttpSession(`${secure ? 'https' : 'http'}://127.0.0.1:${port}`),
  }));
  return [...curls, ...nghttps];
}

function withoutCurl(version: HttpVersion): string | false {
  const curl = findProgram('curl');
  if (curl === undefined) return 'curl is not installed';
  const speaks = version === 'HTTP/1.1' || execFileSync(curl, ['--version'], { encoding: 'utf8' }).includes('HTTP2');
  return speaks ? false : 'this curl was built without HTTP/2';
}

interface Finished {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

function run(command: string, args: readonly string[], input?: Buffer): Promise<Finished> {
  const child = spawn(command, args, { stdio: 'pipe' });
  const [out, err]: Buffer[][] = [[], []];
  child.stdout.on('data', (piece: Buffer) => out!.push(piece));
  child.stderr.on('data', (piece: Buffer) => err!.push(piece));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({
      code: code ?? -1, stdout: Buffer.concat(out!), stderr: Buffer.concat(err!).toString('utf8'),
    }));
  });
}

/** curl's status for a stream that was reset; it forgets a head that came with the reset. */
const CURLE_HTTP2_STREAM = 92;

class CurlSession extends SimpleSession {
  readonly #port: number;
  readonly #version: HttpVersion;
  readonly #ca: string | undefined;

  constructor(port: number, version: HttpVersion, ca: string | undefined) {
    super();
    this.#port = port;
    this.#version = version;
    this.#ca = ca;
  }

  async send({ method, path, headers = {}, body }: PeerRequest): Promise<PeerAnswer> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-test-'));
    try {
      const [head, root] = [join(folder, 'head'), join(folder, 'root.pem')];
      await writeFile(root, this.#ca ?? '');
      const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
      const verb = method === 'HEAD' ? ['--head', '-o', '/dev/null'] : ['-X', method];
      const data = body === undefined ? [] : ['--data-binary', '@-', '-H', 'content-type: application/octet-stream'];
      const { code, stdout, stderr } = await run('curl', [
        '-sS', '--max-time', '20', ...this.#protocol(), '--cacert', root,
        '--resolve', `localhost:${this.#port}:127.0.0.1`, '-D', head,
        ...verb, ...fields, ...data,
        `${this.#ca === undefined ? 'http' : 'https'}://localhost:${this.#port}${path}`,
      ], body);
      const answer = parseHead(await readFile(head, 'latin1').catch(() => ''));
      if (answer === undefined && code !== CURLE_HTTP2_STREAM) throw new Error(`curl ended with ${code}: ${stderr}`);
      return { status: 0, headers: {}, ...answer, body: stdout, trailers: {}, whole: code === 0 };
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #protocol(): string[] {
    if (this.#version === 'HTTP/1.1') return ['--http1.1'];
    return [this.#ca === undefined ? '--http2-prior-knowledge' : '--http2'];
  }
}

/** The last response's, which is not an interim one. */
function parseHead(text: string): Pick<PeerAnswer, 'status' | 'headers'> | undefined {
  const block = text.split('\r\n\r\n').findLast((part) => part.startsWith('HTTP/'));
  if (block === undefined) return undefined;
  const [statusLine = '', ...lines] = block.split('\r\n');
  const fields = lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(),
    line.slice(line.indexOf(':') + 1).trim()]);
  return { status: Number(statusLine.split(' ')[1]), headers: Object.fromEntries(fields) };
}

class NghttpSession extends SimpleSession {
  readonly #origin: string;

  constructor(origin: string) {
    super();
    this.#origin = origin;
  }

  /** Twice: what it tells of frames goes to the same place as the body. */
  async send(request: PeerRequest): Promise<PeerAnswer> {
    const log = await this.#run(request, ['-v', '-n']);
    const { stdout } = await this.#run(request, []);
    const answer = parseFrames(log.stdout.toString('latin1'));
    if (answer === undefined) throw new Error(`nghttp saw no response: ${log.stderr}`);
    return { ...answer, body: stdout };
  }

  override async many(request: PeerRequest, count: number): Promise<number[]> {
    const { stdout } = await this.#run(request, ['-n', '-s', '-m', String(count)]);
    const rows = stdout.toString('latin1').matchAll(/^ *\d+ +\S+ +\S+ +\S+ +(\d{3}) +\S+ \//gm);
    return [...rows].map(([, status]) => Number(status));
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #run({ method, path, headers = {}, body, trailers = {} }: PeerRequest, flags: readonly string[]): Promise<Finished> {
    const option = (name: string, fields: Readonly<Record<string, string>>): string[] =>
      Object.entries(fields).flatMap(([field, value]) => [name, `${field}: ${value}`]);
    return run('nghttp', [
      '-y', '-t', '20', ...flags, '-H', `:method: ${method}`, ...option('-H', headers),
      ...(body === undefined ? [] : ['-d', '-']), 
      // HTTP/1.1 can pass trailers on after a body of unknown length only.
      ...option('--trailer', trailers), ...(Object.keys(trailers).length > 0 ? ['--no-content-length'] : []),
      `${this.#origin}${path}`,
    ], body);
  }
}

/** nghttp names the fields of a block before the frame that ends it. */
function parseFrames(log: string): Omit<PeerAnswer, 'body'> | undefined {
  const blocks: Record<string, string>[] = [];
  let fields: Record<string, string> = {};
  let whole = false;
  for (const line of log.split('\n')) {
    const [, name, value] = /recv \(stream_id=\d+\) (:?[^:]+): (.*)/.exec(line) ?? [];
    if (name !== undefined) fields[name] = value!;
    const [, frame, flags] = /recv (HEADERS|DATA) frame <length=\d+, flags=0x(\w\w)/.exec(line) ?? [];
    if (frame === undefined) continue;
    whole ||= (Number.parseInt(flags!, 16) & 1) === 1;
    if (frame === 'DATA') continue;
    blocks.push(fields);
    fields = {};
  }
  const head = blocks.find((block) => Number(block[':status']) >= 200);
  if (head === undefined) return undefined;
  const trailers = blocks.find((block) => block[':status'] === undefined) ?? {};
  return { status: Number(head[':status']), headers: head, trailers, whole };
}
