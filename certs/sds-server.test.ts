// Secrets over SDS, asked by a grpc-js client whose messages come from Envoy's own field numbers as .proto text.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Client, Metadata, Server, ServerCredentials, credentials, status } from '@grpc/grpc-js';
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { systemClock } from '../proxy/base/clock.ts';
import { grpcTarget } from '../proxy/base/grpc-target.ts';
import { TimerWheel } from '../proxy/base/timers.ts';
import { REVIEWS } from '../test/harness/certificates.ts';
import { temporaryFolder } from '../test/harness/openssl.ts';
import { until } from '../test/harness/until.ts';
import { CertificateAuthority } from './ca.ts';
import { LiveStore } from './live-store.ts';
import { addRoot } from './root-rotation.ts';
import { SecretService } from './sds-server.ts';
import type { SecretServiceOptions } from './sds-server.ts';
import type { SecretValue } from './sds-service.ts';
import { startCaServer } from './server.ts';
import { parseSpiffeId } from './spiffe.ts';
import { TokenAuthority } from './token.ts';

const clock = systemClock;
const PATH = '/envoy.service.secret.v3.SecretDiscoveryService/';
const TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

const schema = protobuf.parse(`
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; }
  message DataSource { oneof s { string filename = 1; bytes inline_bytes = 2; string inline_string = 3; } }
  message TlsCertificate { DataSource certificate_chain = 1; DataSource private_key = 2; }
  message Validation { DataSource trusted_ca = 1; }
  message Secret { string name = 1; TlsCertificate tls_certificate = 2; Validation validation_context = 4; }
  message Request {
    string version_info = 1; repeated string resource_names = 3; string type_url = 4; string response_nonce = 5;
    Status error_detail = 6;
  }
  message Response { string version_info = 1; repeated Any resources = 2; string type_url = 4; string nonce = 5; }
  message DeltaRequest {
    string type_url = 2; repeated string resource_names_subscribe = 3; repeated string resource_names_unsubscribe = 4;
    string response_nonce = 6;
  }
  message Resource { string version = 1; Any resource = 2; string name = 3; }
  message DeltaResponse { repeated Resource resources = 2; string type_url = 4; string nonce = 5; }
`, { keepCase: true }).root;

interface Source {
  readonly inline_bytes: Uint8Array;
}

interface SecretMessage {
  readonly name: string;
  readonly tls_certificate?: { readonly certificate_chain: Source; readonly private_key: Source };
  readonly validation_context?: { readonly trusted_ca: Source };
}

interface Answer {
  readonly nonce: string;
  /** An Any, or a Resource that holds one. */
  readonly resources: readonly { readonly value?: Uint8Array; readonly resource?: { readonly value: Uint8Array } }[];
}

class Stream {
  readonly answers: Answer[] = [];
  readonly call: ClientDuplexStream<object, Answer>;
  error: ServiceError | undefined = undefined;

  constructor(client: Client, kind: '' | 'Delta', metadata = new Metadata()) {
    const [asks, answers] = [schema.lookupType(`${kind}Request`), schema.lookupType(`${kind}Response`)];
    this.call = client.makeBidiStreamRequest(
      PATH + (kind === '' ? 'StreamSecrets' : 'DeltaSecrets'),
      (value: object) => Buffer.from(asks.encode(asks.fromObject(value)).finish()),
      (bytes) => answers.toObject(answers.decode(bytes), { defaults: true, arrays: true }) as Answer,
      metadata,
    );
    this.call.on('data', (answer: Answer) => this.answers.push(answer));
    this.call.on('error', (cause: ServiceError) => {
      this.error = cause;
    });
  }

  ask(names: readonly string[], more: object = {}): void {
    this.call.write({ type_url: TYPE, resource_names: names, ...more });
  }

  /** The nth answer's secrets by name. */
  async secrets(index: number): Promise<Map<string, SecretMessage>> {
    await until(`answer ${index}`, () => this.answers.length > index || this.error !== undefined);
    assert.equal(this.error, undefined);
    const type = schema.lookupType('Secret');
    return new Map(this.answers[index]!.resources.map((item) => {
      const bytes = item.resource?.value ?? item.value;
      const secret = type.toObject(type.decode(bytes ?? Buffer.alloc(0))) as SecretMessage;
      return [secret.name, secret];
    }));
  }

  async fails(code: status, details: RegExp): Promise<void> {
    await until('an error', () => this.error !== undefined);
    assert.equal(this.error!.code, code);
    assert.match(this.error!.details, details);
  }
}

interface Fixture {
  readonly client: Client;
  readonly service: SecretService;
  readonly values: Map<string, SecretValue>;
  readonly refusals: string[];
}

/** A server of secrets alone, on loopback. */
async function start(t: TestContext, options: Partial<SecretServiceOptions> = {}): Promise<Fixture> {
  const server = new Server();
  const values = new Map<string, SecretValue>();
  const refusals: string[] = [];
  const onRefusal = (caller: string, reason: string): void => void refusals.push(`${caller} ${reason}`);
  const service = new SecretService(server, { source: values, onRefusal, ...options });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  t.after(() => {
    client.close();
    server.forceShutdown();
  });
  return { client, service, values, refusals };
}

function text(secret: SecretMessage | undefined): string {
  return Buffer.from(secret?.validation_context?.trusted_ca.inline_bytes ?? '').toString();
}

test('grpc-js gets a secret, one that comes later, and each change once it has answered the one before', async (t) => {
  const { client, service, values } = await start(t);
  values.set('a', { name: 'a', trustedCa: 'one' });
  const stream = new Stream(client, '');
  stream.ask(['a', 'b']);
  assert.deepEqual([...(await stream.secrets(0)).keys()], ['a']);
  values.set('b', { name: 'b', certificateChain: 'chain', privateKey: 'key' });
  service.update();
  values.set('a', { name: 'a', trustedCa: 'two' });
  service.update();
  assert.equal(stream.answers.length, 1, 'it waits for the answer to the first');
  stream.ask(['a', 'b'], { response_nonce: stream.answers[0]!.nonce });
  const second = await stream.secrets(1);
  assert.equal(text(second.get('a')), 'two');
  assert.equal(Buffer.from(second.get('b')!.tls_certificate!.private_key.inline_bytes).toString(), 'key');
  service.close();
  await stream.fails(status.UNAVAILABLE, /shutting down/);
  await until('the stream is forgotten', () => service.counts.streams === 0);
});

test('grpc-js over the incremental variant gets what changed alone', async (t) => {
  const { client, service, values } = await start(t);
  for (const name of ['a', 'b']) values.set(name, { name, trustedCa: name });
  const stream = new Stream(client, 'Delta');
  stream.call.write({ type_url: TYPE, resource_names_subscribe: ['a', 'b'] });
  assert.deepEqual([...(await stream.secrets(0)).keys()], ['a', 'b']);
  values.set('b', { name: 'b', trustedCa: 'new' });
  stream.call.write({ type_url: TYPE, response_nonce: stream.answers[0]!.nonce });
  service.update();
  assert.deepEqual([...(await stream.secrets(1)).keys()], ['b']);
});

test('a refused secret is told and not sent again; other types, too many names and streams end in words', async (t) => {
  const { client, service, values, refusals } = await start(t, { streamsMax: 3 });
  values.set('a', { name: 'a', trustedCa: 'one' });
  const stream = new Stream(client, '');
  stream.ask(['a']);
  await stream.secrets(0);
  stream.ask(['a'], { response_nonce: stream.answers[0]!.nonce, error_detail: { code: 3, message: 'no PEM' } });
  await until('the refusal is told', () => refusals.length === 1);
  assert.match(refusals[0]!, /refused by the proxy: no PEM/);
  assert.equal(service.counts.sent, 1);
  const other = new Stream(client, '');
  other.ask(['a'], { type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' });
  await other.fails(status.INVALID_ARGUMENT, /secrets alone/);
  const greedy = new Stream(client, '');
  greedy.ask(Array.from({ length: 101 }, (_, i) => `n${i}`));
  await greedy.fails(status.INVALID_ARGUMENT, /at most 100 names/);
  await until('the two are forgotten', () => service.counts.streams === 1);
  const streams = [new Stream(client, ''), new Stream(client, ''), new Stream(client, '')];
  await streams[2]!.fails(status.RESOURCE_EXHAUSTED, /more than 3 streams/);
  assert.equal(service.counts.refused, 2);
});

test('F05 S59 the authority tells a caller with a token of a new root at once, and others nothing', async (t) => {
  const wheel = new TimerWheel(clock);
  const dir = join(temporaryFolder(t), 'ca');
  const live = new LiveStore({ dir, wheel, onFailure: (reason) => assert.fail(reason) });
  const ca = new CertificateAuthority({ store: live.current, clock, audit: () => undefined });
  live.subscribe((store) => ca.use(store));
  const { tokenKey: key, trustDomain } = live.current;
  const tokens = new TokenAuthority({ key, trustDomain, clock });
  const server = await startCaServer({ ca, authenticator: tokens, clock, wheel, listen: '127.0.0.1:0' });
  const { channel, verify } = grpcTarget(server.address);
  const tls = credentials.createSsl(Buffer.from(ca.roots), null, null, verify);
  const client = new Client(server.address, tls, channel);
  t.after(async () => {
    live.close();
    client.close();
    await server.close();
  });
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${await tokens.mint(parseSpiffeId(REVIEWS)!)}`);
  const [stranger, stream] = [new Stream(client, ''), new Stream(client, '', metadata)];
  for (const each of [stranger, stream]) each.ask(['ROOTCA', 'default']);
  await stranger.fails(status.UNAUTHENTICATED, /send the workload token/);
  assert.equal(text((await stream.secrets(0)).get('ROOTCA')), ca.roots);
  stream.ask(['ROOTCA', 'default'], { response_nonce: stream.answers[0]!.nonce });
  addRoot({ dir, clock });
  const bundle = text((await stream.secrets(1)).get('ROOTCA'));
  assert.equal(bundle.match(/BEGIN CERTIFICATE/g)!.length, 2);
  assert.equal(bundle, ca.roots);
});
