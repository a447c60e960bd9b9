// S01-S18: every variant of the threat list, on both codecs, whole, cut in two at every place, and byte by byte.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mutations } from '../../test/harness/http1-mutations.ts';
import { ClientProbe, cuts, ServerProbe } from '../../test/harness/http1-probe.ts';
import { REQUEST_VECTORS } from '../../test/harness/http1-request-vectors.ts';
import { RESPONSE_VECTORS } from '../../test/harness/http1-response-vectors.ts';
import { byId, replayRequest, replayResponse } from '../../test/harness/http1-vectors.ts';
import { settle } from '../../test/harness/memory-transport.ts';
import { SeededRandom } from '../base/random.ts';

const SEED = 20_261_125;
const CASES = 150;

/** What each row promises, in the words of a test's name. */
const PROMISES: Readonly<Record<string, string>> = {
  F06: 'a message that is cut is never a whole one',
  S01: 'content-length with transfer-encoding is refused',
  S02: 'only one plain decimal content-length is a length',
  S03: 'only exactly `chunked`, once, in HTTP/1.1, is a transfer coding',
  S04: 'folded lines and spaces around names are refused',
  S05: 'only CRLF ends a line, and no control character hides in one',
  S06: 'a chunk size is 1 to 13 hex digits and nothing else',
  S07: 'only CRLF ends extension and data of a chunk',
  S08: 'trailers that frame, route or authorise are dropped, and none becomes a header',
  S09: 'a body is read as declared, whatever the method',
  S10: 'only one plain 100-continue is an expectation',
  S11: 'a tunnel has no body and opens by agreement only',
  S12: 'messages are paired one to one, and nothing behind a refused one is read',
  S13: 'one valid host decides, and an absolute target agrees with it',
  S14: 'a method has a bound',
  S16: 'names are tokens, and underscores do as configured',
  S17: 'other versions are refused, and h2c is no upgrade',
  S18: 'bodies of 204, 304 and HEAD, and interim responses, are what they must be',
};

for (const [id, vectors] of byId(REQUEST_VECTORS)) {
  void test(`${id} requests: ${PROMISES[id]} (${vectors.length} vectors)`, async () => {
    for (const vector of vectors) await replayRequest(vector);
  });
}
for (const [id, vectors] of byId(RESPONSE_VECTORS)) {
  void test(`${id} responses: ${PROMISES[id]} (${vectors.length} vectors)`, async () => {
    for (const vector of vectors) await replayResponse(vector);
  });
}

test(`requests that are nearly right have one outcome, however they are cut (seed ${SEED})`, async () => {
  const mutations = new Mutations(new SeededRandom(SEED));
  for (let i = 0; i < CASES; i++) {
    const bytes = mutations.requests();
    let expected: string | undefined;
    for (const parts of cuts(bytes)) {
      const probe = new ServerProbe(i % 2 === 0 ? {} : { headersWithUnderscores: 'reject' });
      await probe.feed(parts);
      const outcome = `${probe.text}\n${probe.statuses.join()} ${probe.ending}`;
      expected ??= outcome;
      if (outcome !== expected) assert.equal(outcome, expected, `${JSON.stringify(bytes)} at ${parts[0]!.length}`);
    }
  }
});

test(`responses that are nearly right have one outcome, however they are cut (seed ${SEED})`, async () => {
  const mutations = new Mutations(new SeededRandom(SEED));
  for (let i = 0; i < CASES; i++) {
    const bytes = mutations.response();
    let expected: string | undefined;
    for (const parts of cuts(bytes)) {
      const probe = new ClientProbe();
      probe.request();
      for (const part of parts) if (part !== '') probe.transport.receive(part);
      if (i % 2 === 0) probe.transport.receiveEnd();
      await settle();
      const outcome = `${probe.text} ${String(probe.responses[0]!.error?.cause)} ${probe.reusable}`;
      expected ??= outcome;
      if (outcome !== expected) assert.equal(outcome, expected, `${JSON.stringify(bytes)} at ${parts[0]!.length}`);
    }
  }
});
