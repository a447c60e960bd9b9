// What a vector of the HTTP/1.1 threats (S01-S18) is, and its replay: whole, cut in two at every place, byte by byte.
import assert from 'node:assert/strict';
import type { Http1ClientOptions } from '../../proxy/http/http1-client.ts';
import type { Http1ServerOptions } from '../../proxy/http/http1-server.ts';
import { localReplyFor } from '../../proxy/http/local-reply.ts';
import { RequestHead } from '../../proxy/http/message.ts';
import { ClientProbe, cuts, ServerProbe } from './http1-probe.ts';
import { settle } from './memory-transport.ts';

/** Bytes of a client, and what the server codec makes of them. */
export interface RequestVector {
  readonly id: string;
  readonly bytes: string;
  /** What the sinks saw, one text for each request (SeenMessage.text). */
  readonly seen: readonly string[];
  /** Status of the last answer when it is a refusal; all others are 200. */
  readonly refused?: number;
  readonly options?: Partial<Http1ServerOptions>;
}

/** Bytes of a server, and what the client codec makes of them. */
export interface ResponseVector {
  readonly id: string;
  readonly bytes: string;
  /** Default GET. */
  readonly method?: string;
  /** The request asks for this upgrade. */
  readonly upgrade?: string;
  /** The server closes after these bytes. */
  readonly closes?: boolean;
  /** What the sink saw. */
  readonly seen: string;
  /** The http1.* detail of the fault, for those that are refused. */
  readonly fault?: string;
  /** Whether the connection takes another request afterwards; default true unless refused or closed. */
  readonly reusable?: boolean;
  readonly options?: Partial<Http1ClientOptions>;
}

/** A request that stands behind a refused one and must never be read. */
export const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nhost: evil\r\n\r\n';
/** A response that stands behind a refused one. */
export const POISON = 'HTTP/1.1 200 OK\r\nx-poison: 1\r\ncontent-length: 0\r\n\r\n';

const KINDS: ReadonlyMap<number, string> = new Map([[400, 'bad-request'], [414, 'uri-too-long'],
  [426, 'upgrade-required'], [431, 'headers-too-large'], [501, 'not-implemented'], [505, 'version-not-supported']]);

/** Refused before its head is a request: its sink hears only of the error. */
export function rejects(id: string, status: number, detail: string, ...all: readonly string[]): RequestVector[] {
  return all.map((bytes) => ({ id, bytes, refused: status, seen: [` [] "" ${KINDS.get(status)} ${detail}`] }));
}

/** Refused in its body: `seen` is what came through before that. */
export function breaks(id: string, detail: string, bytes: string, seen: string): RequestVector {
  return { id, bytes, refused: 400, seen: [`${seen} bad-request ${detail}`] };
}

export function takes(id: string, bytes: string, ...seen: readonly string[]): RequestVector {
  return { id, bytes, seen };
}

/** A server that breaks the protocol before its response has begun. */
export function spoils(id: string, fault: string, ...all: readonly string[]): ResponseVector[] {
  return all.map((bytes) => ({ id, bytes, fault, seen: brokenText(' [] ""', 'before') }));
}

/** A server that breaks the protocol in its body: `seen` is what came through before that. */
export function spoilsBody(id: string, fault: string, bytes: string, seen: string): ResponseVector {
  return { id, bytes, fault, seen: brokenText(seen, 'after') };
}

export function brokenText(seen: string, when: 'before' | 'after'): string {
  return `${seen} upstream-protocol upstream_reset_${when}_response_started{protocol_error}`;
}

export function answers(id: string, bytes: string, seen: string, rest: Partial<ResponseVector> = {}): ResponseVector {
  return { id, bytes, seen, ...rest };
}

/** The text of a vector for messages, not too long. */
function shown(bytes: string, parts: readonly string[]): string {
  const cut = parts.length === 1 ? 'whole' : parts.length === 2 ? `cut at ${parts[0]!.length}` : 'byte by byte';
  return `${JSON.stringify(bytes.length > 300 ? `${bytes.slice(0, 300)}…` : bytes)} ${cut}`;
}

/** Each cut is asserted to have the one outcome; `pieces` replaces the cuts of vectors that are too long for all. */
export async function replayRequest(
  vector: RequestVector, pieces: (bytes: string) => Iterable<readonly string[]> = cuts,
): Promise<void> {
  const { bytes, refused, seen } = vector;
  const sent = refused === undefined ? bytes : bytes + SMUGGLED;
  const statuses = seen.flatMap((text, i) => {
    if (text.endsWith(' open')) return [];
    return [i === seen.length - 1 && refused !== undefined ? refused : 200];
  });
  for (const parts of pieces(sent)) {
    const probe = new ServerProbe(vector.options);
    // oxlint-disable-next-line no-await-in-loop
    await probe.feed(parts);
    // The message is made for failures only: there are tens of thousands of replays.
    if (probe.text !== seen.join('\n')) assert.equal(probe.text, seen.join('\n'), shown(sent, parts));
    if (probe.statuses.join() !== statuses.join()) assert.deepEqual(probe.statuses, statuses, shown(sent, parts));
    // oxlint-disable-next-line no-await-in-loop
    if (refused !== undefined) await checkRefused(probe, shown(sent, parts));
  }
}

/** Told to close, deaf to what still comes, and gone soon. */
async function checkRefused(probe: ServerProbe, where: string): Promise<void> {
  const last = probe.requests.at(-1)!;
  assert.equal(last.ended || last.trailers !== undefined, false, where);
  const { written } = probe.transport;
  assert.match(written.slice(written.lastIndexOf('HTTP/1.')), /\r\nconnection: close\r\n/, where);
  assert.equal(probe.transport.ended, true, where);
  const before = probe.text;
  await probe.feed([SMUGGLED, 'rest']);
  assert.equal(probe.text, before, where);
  assert.equal(probe.transport.written, written, where);
  probe.clock.advance(probe.delayedCloseMs + 10);
  probe.timers.advance();
  await settle();
  assert.equal(probe.closed, true, where);
}

/** As replayRequest, for the response to one request. */
export async function replayResponse(
  vector: ResponseVector, pieces: (bytes: string) => Iterable<readonly string[]> = cuts,
): Promise<void> {
  const { bytes, closes = false, fault, seen } = vector;
  const sent = fault === undefined ? bytes : bytes + POISON;
  const reusable = vector.reusable ?? (fault === undefined && !closes);
  for (const parts of pieces(sent)) {
    const probe = asking(vector);
    for (const part of parts) probe.transport.receive(part);
    if (closes) probe.transport.receiveEnd();
    // oxlint-disable-next-line no-await-in-loop
    await settle();
    if (probe.text !== seen) assert.equal(probe.text, seen, shown(sent, parts));
    assert.equal(probe.reusable, reusable, shown(sent, parts));
    if (fault !== undefined) checkBroken(probe, fault, shown(sent, parts));
  }
}

function asking({ method = 'GET', upgrade, options }: ResponseVector): ClientProbe {
  const probe = new ClientProbe(options);
  const head = new RequestHead(method, 'a:1', method === 'CONNECT' ? '' : '/');
  if (upgrade !== undefined) head.upgrade = upgrade;
  probe.request(head, upgrade === undefined && method !== 'CONNECT');
  return probe;
}

/** The upstream's fault, a 502 for the client, no retry; the connection is destroyed and deaf. */
function checkBroken(probe: ClientProbe, fault: string, where: string): void {
  const [response] = probe.responses;
  assert.equal(response!.ended, false, where);
  assert.deepEqual([response!.error!.cause, response!.error!.retry], [fault, 'never'], where);
  assert.equal(localReplyFor(response!.error!).status, 502, where);
  assert.equal(probe.transport.destroyed, true, where);
  assert.equal(probe.closeError?.kind, 'upstream-protocol', where);
  const before = probe.text;
  probe.connection.onData(Buffer.from(POISON));
  assert.equal(probe.text, before, where);
  assert.equal(probe.done, 0, where);
}

/** The vectors by their ids, in order. */
export function byId<V extends { readonly id: string }>(vectors: readonly V[]): ReadonlyMap<string, readonly V[]> {
  return Map.groupBy(vectors.toSorted((a, b) => a.id.localeCompare(b.id)), ({ id }) => id);
}
