// S01-S18 against llhttp as node:http runs it: whatever weft lets through, llhttp reads as the same message.
import assert from 'node:assert/strict';
import { METHODS } from 'node:http';
import { test } from 'node:test';
import { Mutations } from '../../test/harness/http1-mutations.ts';
import { ClientProbe, ServerProbe } from '../../test/harness/http1-probe.ts';
import type { SeenMessage } from '../../test/harness/http1-probe.ts';
import { Relay } from '../../test/harness/http1-relay.ts';
import { settle } from '../../test/harness/memory-transport.ts';
import type { NodeMessage } from '../../test/harness/node-parser.ts';
import { readRequestsByNode, readResponseByNode } from '../../test/harness/node-parser.ts';
import { SeededRandom } from '../base/random.ts';
import { RequestHead } from './message.ts';

const SEED = 20_261_124;
const CASES = 6000;
/** No tunnel is agreed to. */
const ANSWER = 'HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n';
/** What stands on the wire only, and is no end-to-end field. */
const HOP = new Set(['host', 'content-length', 'transfer-encoding', 'connection', 'te', 'upgrade', 'trailer',
  'keep-alive']);

/** What weft takes and llhttp refuses: the error, further signs of it, and why. */
interface Explained {
  readonly error: RegExp;
  readonly bytes: RegExp;
  readonly why: string;
}

/** Where trailers begin, and a field in them that is about the message or the connection. */
const FRAMING_TRAILER = /\r\n0+(;.*)?\r\n[^]*(content-length|transfer-encoding|connection)/i;

const EXPLAINED: readonly Explained[] = [
  { error: /chunk extension/, bytes: /;/, why: 'an extension is dropped unread, within its bounds (S07)' },
  { error: /^HPE_(INVALID_CONTENT_LENGTH|INVALID_TRANSFER_ENCODING|CLOSED_CONNECTION)/, bytes: FRAMING_TRAILER,
    why: 'as a trailer it is dropped, like other fields that frame (S08)' },
];

const EXPLAINED_REQUESTS: readonly Explained[] = [...EXPLAINED,
  { error: /^HPE_INVALID_METHOD/, bytes: /^/, why: 'any token is a method: the upstream decides' },
];

const EXPLAINED_RESPONSES: readonly Explained[] = [...EXPLAINED,
  { error: /^HPE_CLOSED_CONNECTION/, bytes: /^HTTP\/1\.[01] 1\d\d/,
    why: 'an interim response that says close is followed by the final one, and the connection then ends' },
];

function fieldsOf(message: NodeMessage): string[] {
  const kept: string[] = [];
  for (let i = 0; i < message.fields.length; i += 2) {
    const name = message.fields[i]!.toLowerCase();
    if (!HOP.has(name)) kept.push(name, message.fields[i + 1]!);
  }
  return kept;
}

function hostOf(message: NodeMessage): string | undefined {
  const at = message.fields.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'host');
  return at === -1 ? undefined : message.fields[at + 1];
}

const [METHOD, AUTHORITY, PATH] = [0, 1, 2];
const partOf = (seen: SeenMessage, part: number): string => seen.start.split(' ')[part]!;
const wantsTunnel = (seen: SeenMessage): boolean => / upgrade=|^CONNECT /.test(seen.start);
/** The request was read whole and is no refusal. */
const isTaken = (seen: SeenMessage): boolean => seen.error === undefined && (seen.ended || wantsTunnel(seen));

/** The explanation of a message that llhttp did not read; undefined when there is none. */
function explain(table: readonly Explained[], error: string | undefined, bytes: string): Explained | undefined {
  return table.find((row) => error !== undefined && row.error.test(error) && row.bytes.test(bytes));
}

test(`llhttp refuses what weft takes only for reasons that are listed (seed ${SEED}, ${CASES} cases)`, async () => {
  const mutations = new Mutations(new SeededRandom(SEED));
  const met = new Set<Explained>();
  let taken = 0;
  for (let i = 0; i < CASES; i++) {
    const bytes = mutations.requests();
    const probe = new ServerProbe();
    await probe.feed([bytes]);
    const { messages, error } = await readRequestsByNode(bytes);
    for (const [k, seen] of probe.requests.entries()) {
      if (!isTaken(seen)) break;
      const theirs = messages[k];
      if (theirs?.complete !== true) {
        const row = explain(EXPLAINED_REQUESTS, error, bytes);
        assert.ok(row !== undefined, `${error}: ${JSON.stringify(bytes)}: ${seen.text}`);
        met.add(row);
        break;
      }
      taken++;
      const about = `${JSON.stringify(bytes)}: ${seen.text} / ${JSON.stringify(theirs)}`;
      assert.equal(theirs.start.split(' ')[0], partOf(seen, METHOD), about);
      assert.equal(theirs.body, seen.body, about);
      // Node gives any upgrade to its user; weft takes none to h2c, nor in HTTP/1.0 (S17).
      const unwanted = theirs.tunnel !== undefined && /h2c|HTTP\/1\.0/i.test(bytes);
      assert.equal(theirs.tunnel !== undefined && !unwanted, wantsTunnel(seen) && !unwanted, about);
      if (theirs.tunnel !== undefined) break;
    }
  }
  assert.ok(taken > CASES / 4, `only ${taken} requests were compared`);
  assert.deepEqual(EXPLAINED_REQUESTS.filter((row) => !met.has(row)), [], 'a listed difference does not exist');
});

/** Of what went upstream, llhttp reads exactly the requests that weft read, and nothing else. */
function compareUpstream(theirs: readonly NodeMessage[], ours: readonly SeenMessage[], about: string): void {
  const whole = theirs.filter(({ complete }) => complete);
  assert.equal(whole.length, ours.length, about);
  for (const [k, seen] of ours.entries()) {
    const message = whole[k]!;
    const path = partOf(seen, METHOD) === 'CONNECT' ? partOf(seen, AUTHORITY) : partOf(seen, PATH);
    assert.equal(message.start, `${partOf(seen, METHOD)} ${path}`, about);
    assert.equal(hostOf(message), partOf(seen, AUTHORITY), about);
    assert.deepEqual(fieldsOf(message), seen.fields, about);
    assert.equal(message.body, seen.body, about);
    assert.deepEqual(message.trailers, seen.trailers ?? [], about);
    assert.equal(message.tunnel ?? '', '', 'early data went out before the answer');
  }
}

test(`what weft sends on, llhttp reads as the same requests and no more (seed ${SEED}, ${CASES} cases)`, async () => {
  const mutations = new Mutations(new SeededRandom(SEED + 1));
  let compared = 0;
  for (let i = 0; i < CASES; i++) {
    const bytes = mutations.requests();
    const probe = new ServerProbe();
    await probe.feed([bytes]);
    if (probe.requests.some((seen) => seen.start !== '' && !METHODS.includes(partOf(seen, METHOD)))) continue;
    const relay = await new Relay(ANSWER).feed([bytes]);
    const read: NodeMessage[] = [];
    for (const { transport } of relay.ups) {
      const { messages, error } = await readRequestsByNode(transport.written);
      assert.equal(error, undefined, `${JSON.stringify(bytes)} became ${JSON.stringify(transport.written)}`);
      read.push(...messages);
    }
    const ours = probe.requests.filter(isTaken);
    compared += ours.length;
    compareUpstream(read, ours, `${JSON.stringify(bytes)} became ${JSON.stringify(relay.written)}`);
  }
  assert.ok(compared > CASES / 4, `only ${compared} requests were compared`);
});

/** What the client codec makes of the answer to one request on a connection that then ends. */
async function responseByWeft(bytes: string, method: string): Promise<SeenMessage> {
  const probe = new ClientProbe();
  probe.request(new RequestHead(method, 'a', '/'));
  if (bytes !== '') probe.transport.receive(bytes);
  probe.transport.receiveEnd();
  await settle();
  return probe.responses[0]!;
}

test(`S18 llhttp refuses responses that weft takes only for reasons that are listed (seed ${SEED}, ${CASES} cases)`,
  async () => {
  const mutations = new Mutations(new SeededRandom(SEED + 2));
  const met = new Set<Explained>();
  let taken = 0;
  for (let i = 0; i < CASES; i++) {
    const bytes = mutations.response();
    const method = i % 5 === 0 ? 'HEAD' : 'GET';
    const seen = await responseByWeft(bytes, method);
    if (!seen.ended) continue;
    const { messages: [theirs], error } = await readResponseByNode(bytes, method);
    if (theirs?.complete !== true) {
      const row = explain(EXPLAINED_RESPONSES, error, bytes);
      assert.ok(row !== undefined, `${error}: ${JSON.stringify(bytes)}: ${seen.text}`);
      met.add(row);
      continue;
    }
    taken++;
    const about = `${JSON.stringify(bytes)}: ${seen.text} / ${JSON.stringify(theirs)}`;
    assert.equal(theirs.start, partOf(seen, 0), about);
    assert.equal(theirs.body, seen.body, about);
  }
  assert.ok(taken > CASES / 8, `only ${taken} responses were compared`);
  assert.deepEqual(EXPLAINED_RESPONSES.filter((row) => !met.has(row)), [], 'a listed difference does not exist');
});

test(`S18 F06 a node:http client sees the response that weft saw, or sees that it is cut (seed ${SEED})`, async () => {
  const mutations = new Mutations(new SeededRandom(SEED + 3));
  let whole = 0;
  for (let i = 0; i < CASES; i++) {
    const bytes = mutations.response();
    const method = i % 5 === 0 ? 'HEAD' : 'GET';
    const seen = await responseByWeft(bytes, method);
    const relay = await new Relay(undefined).feed([`${method} / HTTP/1.1\r\nhost: a\r\n\r\n`]);
    const up = relay.ups[0]!.transport;
    if (bytes !== '') up.receive(bytes);
    up.receiveEnd();
    await settle();
    await settle();
    const { messages: [theirs], error } = await readResponseByNode(relay.down.written, method);
    const about = `${JSON.stringify(bytes)} became ${JSON.stringify(relay.down.written)}: ${seen.text}`;
    assert.equal(theirs?.complete === true, seen.ended, `${error} ${about}`);
    if (!seen.ended) continue;
    whole++;
    assert.equal(theirs!.start, partOf(seen, 0), about);
    assert.deepEqual(fieldsOf(theirs!), seen.fields, about);
    assert.equal(theirs!.body, seen.body, about);
    assert.deepEqual(theirs!.trailers, seen.trailers ?? [], about);
  }
  assert.ok(whole > CASES / 8, `only ${whole} responses were compared`);
});
