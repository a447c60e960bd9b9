// grpc-js as a client of grpc.testing.TestService: the four kinds of calls, statuses, metadata, deadlines, cancelling.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Client, Metadata, credentials, status } from '@grpc/grpc-js';
import type { ServiceError, StatusObject } from '@grpc/grpc-js';
import { ECHO_INITIAL, ECHO_TRAILING, testService } from './grpc-test-service.ts';
import type { InputResponse, OutputRequest, PayloadResponse, SimpleRequest } from './grpc-test-service.ts';

const DEADLINE_MS = 20_000;

interface Answer {
  readonly response: PayloadResponse | undefined;
  readonly error: ServiceError | null;
  readonly headers: Metadata;
  readonly status: StatusObject;
}

export function connectTo(port: number): Client {
  return new Client(`127.0.0.1:${port}`, credentials.createInsecure());
}

const deadline = (ms = DEADLINE_MS): { deadline: number } => ({ deadline: Date.now() + ms });

async function unary(client: Client, request: SimpleRequest, metadata = new Metadata()): Promise<Answer> {
  const { path, requestSerialize, responseDeserialize } = testService.unaryCall;
  const done = Promise.withResolvers<Pick<Answer, 'response' | 'error'>>();
  const call = client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, deadline(),
    (error, response) => done.resolve({ error, response: response as PayloadResponse | undefined }));
  let headers = new Metadata();
  call.on('metadata', (received: Metadata) => (headers = received));
  const [received] = (await once(call, 'status')) as [StatusObject];
  return { ...(await done.promise), headers, status: received };
}

function duplex(client: Client, options = deadline()) {
  const { path, requestSerialize, responseDeserialize } = testService.fullDuplexCall;
  return client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata(), options);
}

/** Each of these rejects where something is not as it must be. */
export const GRPC_JS_CALLS: readonly (readonly [string, (client: Client) => Promise<void>])[] = [
  ['unary, large both ways', async (client) => {
    const { response } = await unary(client, { responseSize: 314_159, payload: { body: randomBytes(271_828) } });
    assert.equal(response?.payload?.body?.length, 314_159);
  }],
  ['metadata both ways, binary in trailers', async (client) => {
    const metadata = new Metadata();
    const trailing = randomBytes(10);
    metadata.set(ECHO_INITIAL, 'initial');
    metadata.set(ECHO_TRAILING, trailing);
    const answer = await unary(client, { responseSize: 1 }, metadata);
    assert.deepEqual(answer.headers.get(ECHO_INITIAL), ['initial']);
    assert.deepEqual(answer.status.metadata.get(ECHO_TRAILING), [trailing]);
  }],
  ['a status with a message of any characters', async (client) => {
    const message = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';
    const { error } = await unary(client, { responseStatus: { code: status.DATA_LOSS, message } });
    assert.deepEqual([error?.code, error?.details], [status.DATA_LOSS, message]);
  }],
  ['server streaming', async (client) => {
    const { path, requestSerialize, responseDeserialize } = testService.streamingOutputCall;
    const request: OutputRequest = { responseParameters: [31_415, 9, 2653, 58_979].map((size) => ({ size })) };
    const call = client.makeServerStreamRequest(
      path, requestSerialize, responseDeserialize, request, new Metadata(), deadline(),
    );
    const sizes: number[] = [];
    for await (const message of call) sizes.push((message as PayloadResponse).payload!.body!.length);
    assert.deepEqual(sizes, [31_415, 9, 2653, 58_979]);
  }],
  ['client streaming', async (client) => {
    const { path, requestSerialize, responseDeserialize } = testService.streamingInputCall;
    const done = Promise.withResolvers<InputResponse>();
    const call = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, new Metadata(), deadline(),
      (error, response) => (error === null ? done.resolve(response as InputResponse) : done.reject(error)));
    for (const size of [27_182, 8, 1828, 45_904]) call.write({ payload: { body: Buffer.alloc(size) } });
    call.end();
    assert.equal((await done.promise).aggregatedPayloadSize, 74_922);
  }],
  ['ping-pong', async (client) => {
    const call = duplex(client);
    for (const size of [31_415, 9, 2653, 58_979]) {
      call.write({ responseParameters: [{ size }], payload: { body: Buffer.alloc(100) } });
      const [message] = (await once(call, 'data')) as [PayloadResponse];
      assert.equal(message.payload?.body?.length, size);
    }
    call.end();
    const [ended] = (await once(call, 'status')) as [StatusObject];
    assert.equal(ended.code, status.OK);
  }],
  ['a deadline that passes, and a call that is cancelled', async (client) => {
    const late = duplex(client, deadline(50));
    late.write({ payload: { body: Buffer.alloc(100) } });
    const [passed] = (await once(late, 'error')) as [ServiceError];
    assert.equal(passed.code, status.DEADLINE_EXCEEDED);
    const call = duplex(client);
    call.write({ responseParameters: [{ size: 10 }] });
    await once(call, 'data');
    call.cancel();
    const [cancelled] = (await once(call, 'error')) as [ServiceError];
    assert.equal(cancelled.code, status.CANCELLED);
  }],
  ['100 calls at once', async (client) => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => unary(client, { responseSize: 1000 })));
    assert.ok(answers.every(({ response }) => response?.payload?.body?.length === 1000));
  }],
];
