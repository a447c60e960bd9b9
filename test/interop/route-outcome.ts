// What became of one request: the answer, the tries as upstreams saw them, and the access log's view.
import { randomUUID } from 'node:crypto';
import type { RawAnswer, RawRequest } from '../harness/raw-client.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import type { Received, ScriptedUpstreams } from '../harness/scripted-upstreams.ts';
import { KEY_HEADER } from '../harness/scripted-upstreams.ts';
import type { RunningProxy, SideBySide } from '../harness/side-by-side.ts';
import { VOLATILE_REQUEST_HEADERS } from './differences.ts';
import { listenerOf } from './generated-bootstrap.ts';

/** Lines that must be the same of both proxies. */
export type Outcome = readonly string[];

export interface Pair {
  /** Which table of the bootstrap is asked. */
  readonly table: number;
  readonly request: RawRequest;
}

/** In a request's host: the port that it is sent to. */
export const OWN_PORT = 'own-port';

/** How many requests are under way at each proxy. */
const CONCURRENCY = 16;
/** Lines of requests that ended before the last one may be written after its. */
const LATE_LINES_MS = 700;
const VOLATILE = new Set(['date', 'x-envoy-upstream-service-time', KEY_HEADER, ...VOLATILE_REQUEST_HEADERS]);
/** How a message is carried is decided for each hop. */
const CARRIAGE = new Set(['connection', 'keep-alive', 'transfer-encoding']);

/** The outcomes of all pairs at both proxies: [Envoy's, weft's], in the order of the pairs. */
export async function outcomesOf(
  pairs: readonly Pair[], proxies: SideBySide, upstreams: ScriptedUpstreams,
): Promise<readonly (readonly [Outcome, Outcome])[]> {
  const run = randomUUID();
  const [theirs, ours] = await Promise.all([proxies.envoy, proxies.weft].map(async (proxy) => {
    const answers = await askAll(pairs, proxy, run);
    const logs = await logsOf(proxies, proxy, pairs.length, run);
    return pairs.map((_, i) => {
      const key = keyOf(run, proxy, i);
      return [...answerLines(answers[i]!), ...tryLines(upstreams.received(key)), ...copyLines(upstreams.copied(key)),
        `log ${logs.get(key) ?? 'has no line'}`];
    });
  }));
  return pairs.map((_, i) => [theirs![i]!, ours![i]!]);
}

function keyOf(run: string, proxy: RunningProxy, pair: number): string {
  return `${run}-${proxy.name}-${pair}`;
}

async function askAll(pairs: readonly Pair[], proxy: RunningProxy, run: string): Promise<(RawAnswer | string)[]> {
  const answers: (RawAnswer | string)[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < pairs.length) {
      const i = next++;
      answers[i] = await ask(pairs[i]!, proxy, keyOf(run, proxy, i));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, client));
  return answers;
}

async function ask({ table, request }: Pair, proxy: RunningProxy, key: string): Promise<RawAnswer | string> {
  const { headers = [], method, host = 'localhost' } = request;
  const port = proxy.portOf(listenerOf(table));
  const text = requestText({ ...request, host: host.replace(OWN_PORT, String(port)),
    headers: [[KEY_HEADER, key], ...headers] });
  try {
    return await exchange(port, text, method === 'HEAD');
  } catch (cause) {
    return String(cause).includes('closed without') ? 'closed without an answer' : String(cause);
  }
}

/** Log lines by key, once there is one for every request, or for one that came after all of them. */
async function logsOf(
  proxies: SideBySide, proxy: RunningProxy, count: number, run: string,
): Promise<ReadonlyMap<string, string>> {
  const logs = new Map<string, string>();
  const last = keyOf(run, proxy, count);
  await ask({ table: 0, request: { path: '/' } }, proxy, last);
  let lastMs = 0;
  await proxy.process.until(async () => {
    for (const line of (await proxies.logOf(proxy)).split('\n')) {
      const [key = '', ...rest] = line.split('\t');
      if (key.startsWith(`${run}-`)) logs.set(key, comparable(rest.join(' | ')));
    }
    if (lastMs === 0 && logs.has(last)) lastMs = performance.now();
    // A request that was refused before its key was read has no line that can be found.
    return logs.size > count || (lastMs > 0 && performance.now() - lastMs > LATE_LINES_MS);
  }, 8000).catch(() => undefined);
  return logs;
}

/** How far Envoy had read when a body was cut decides what it calls it. */
function comparable(line: string): string {
  return line.replace(/\bU(PE|C) \| upstream_reset_after.*?\} \|/, 'cut |');
}

function answerLines(answer: RawAnswer | string): string[] {
  if (typeof answer === 'string') return [answer];
  return [`status ${answer.status}`, ...fieldLines('answer', answer.headers), `body ${answer.body}`];
}

function tryLines(tries: readonly Received[]): string[] {
  return tries.flatMap(({ server, method, url, headers, body }, i) => [
    `try ${i} at ${server}: ${method} ${url} ${body}`, ...fieldLines(`try ${i}`, headers),
  ]);
}

/** Copies in one order. */
function copyLines(copies: readonly Received[]): string[] {
  const lines = copies.map(({ server, method, url, headers, body }) => [
    `copy at ${server}: ${method} ${url} ${body}`, ...fieldLines(`copy at ${server}`, headers),
  ]);
  return lines.toSorted((a, b) => (a.join() < b.join() ? -1 : 1)).flat();
}

/** By name; fields of one name are one list (RFC 9110 section 5.3), in which empty elements say nothing (5.6.1). */
function fieldLines(of: string, fields: readonly (readonly [string, string])[]): string[] {
  const lists = new Map<string, string[]>();
  for (const [name, value] of fields) if (!CARRIAGE.has(name)) lists.set(name, [...lists.get(name) ?? [], value]);
  return [...lists].map(([name,
    values]) => `${of} ${name}: ${steady(name, values.filter((value) => value !== '').join(','))}`).toSorted();
}

/** Without what chance and the moment decide; times that are left count to the nearest five seconds. */
function steady(name: string, value: string): string {
  if (VOLATILE.has(name)) return '...';
  if (name === 'x-reset') return 'a time';
  if (name === 'x-envoy-expected-rq-timeout-ms') return aboutSeconds(value);
  if (name === 'grpc-timeout' && /^\d{4,}m$/.test(value)) return aboutSeconds(value);
  return value.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'the time');
}

function aboutSeconds(ms: string): string {
  return `about ${Math.round(Number.parseInt(ms, 10) / 5000) * 5} s`;
}
