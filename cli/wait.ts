// `weft wait`: holds until the proxy is ready, and says why it is not; so that the application starts after it.
import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../proxy/base/error.ts';
import { LifecycleClient, lifeSocketOf } from './lifecycle-client.ts';
import { UsageError, addressOption } from './usage.ts';

const URL_DEFAULT = 'http://127.0.0.1:15021/healthz/ready';
const BODY_BYTES_MAX = 65_536;

export const HELP = `usage: weft wait [options]

Holds until the proxy is ready: exit status 0 then, 1 when it is not in time. Why it is not is said when it changes.

      --url URL          what answers 200 when it is ready (default ${URL_DEFAULT})
      --admin HOST:PORT  the proxy's admin interface, in place of --url
      --socket PATH      the socket of its handshake with the application, in place of --url (default: what
                         WEFT_LIFECYCLE_SOCKET says, which injection sets)
      --timeout-s N      how long to hold (default 60)
      --interval-ms N    between two questions (default 500)
      --request-timeout-ms N   for one answer (default 500)

The names of Istio's agent do the same: --timeoutSeconds, --periodMillis, --requestTimeoutMillis.
`;

const OPTIONS = {
  url: { type: 'string' },
  admin: { type: 'string' },
  socket: { type: 'string' },
  'timeout-s': { type: 'string' },
  'interval-ms': { type: 'string' },
  'request-timeout-ms': { type: 'string' },
  timeoutSeconds: { type: 'string' },
  periodMillis: { type: 'string' },
  requestTimeoutMillis: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = { readonly [K in Exclude<keyof typeof OPTIONS, 'help'>]?: string };

interface Wait {
  /** A URL, or the path of a socket. */
  readonly place: string;
  readonly timeoutMs: number;
  readonly intervalMs: number;
  readonly requestTimeoutMs: number;
}

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const wait = waitOf(values);
  const reason = await untilReady(wait, (text) => process.stderr.write(`weft wait: ${text}\n`));
  if (reason === undefined) return 0;
  process.stderr.write(`weft wait: not ready within ${wait.timeoutMs / 1000} s; the last word was: ${reason}\n`);
  return 1;
}

function waitOf(values: Values): Wait {
  const { url, admin, socket } = values;
  if ([url, admin, socket].filter((place) => place !== undefined).length > 1) {
    throw new UsageError('--url, --admin and --socket say the same: one of them');
  }
  if (url !== undefined && !/^http:\/\/[^/]/.test(url)) throw new UsageError(`--url takes http://..., not "${url}"`);
  if (admin !== undefined) addressOption('admin', admin);
  return {
    place: url ?? (admin === undefined ? lifeSocketOf(socket) ?? URL_DEFAULT : `http://${admin}/ready`),
    timeoutMs: 1000 * (count(values, 'timeout-s') ?? count(values, 'timeoutSeconds') ?? 60),
    intervalMs: count(values, 'interval-ms') ?? count(values, 'periodMillis') ?? 500,
    requestTimeoutMs: count(values, 'request-timeout-ms') ?? count(values, 'requestTimeoutMillis') ?? 500,
  };
}

function count(values: Values, name: keyof Values): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  if (!/^\d{1,6}$/.test(text) || Number(text) === 0) {
    throw new UsageError(`--${name} takes a whole number above 0, not "${text}"`);
  }
  return Number(text);
}

/** Undefined when it is ready, else why it was not when time was up. */
async function untilReady(wait: Wait, tell: (text: string) => void): Promise<string | undefined> {
  const deadline = performance.now() + wait.timeoutMs;
  for (let last = ''; ;) {
    const reason = await whyNot(wait);
    if (reason === undefined) return undefined;
    if (reason !== last) tell(reason);
    last = reason;
    if (performance.now() + wait.intervalMs > deadline) return reason;
    await delay(wait.intervalMs);
  }
}

/** Undefined when it is ready. */
function whyNot({ place, requestTimeoutMs }: Wait): Promise<string | undefined> {
  return place.startsWith('http:') ? whyNotUrl(place, requestTimeoutMs) : whyNotSocket(place, requestTimeoutMs);
}

async function whyNotSocket(path: string, timeoutMs: number): Promise<string | undefined> {
  try {
    const client = await LifecycleClient.say(path, 'state');
    const word = await client.next(timeoutMs);
    client.close();
    if (word?.state === 'ready') return undefined;
    return word?.error ?? `the proxy is ${word?.state ?? 'silent'}: ${word?.waiting_for?.join('; ') ?? ''}`;
  } catch (cause) {
    return `${path}: ${messageOf(cause)}; is the proxy running?`;
  }
}

/** Undefined when it answers 200. */
function whyNotUrl(url: string, requestTimeoutMs: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const asked = get(url, { agent: false, timeout: requestTimeoutMs }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (text = (text + chunk).slice(0, BODY_BYTES_MAX)));
    response.on('end', () => resolve(reasonOf(response, url, text)));
    response.on('error', (cause) => resolve(`${url} breaks off: ${messageOf(cause)}`));
  });
  asked.on('timeout', () => asked.destroy(new Error(`no answer within ${requestTimeoutMs} ms`)));
  asked.on('error', (cause) => resolve(`${url}: ${messageOf(cause)}; is the proxy running?`));
  return promise;
}

/** The body's lines as one. */
function reasonOf({ statusCode }: IncomingMessage, url: string, body: string): string | undefined {
  if (statusCode === 200) return undefined;
  const lines = body.trim().split('\n').map((line) => line.replace(/^- /, ''));
  const said = lines[0] === 'not ready:' ? lines.slice(1) : lines;
  return `${url} answers ${statusCode}: ${said.join('; ')}`;
}
