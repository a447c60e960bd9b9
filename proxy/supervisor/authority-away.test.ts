// The authority is away for hours of simulated time: connections are made until the certificate ends, and then none.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { AgentFixture } from '../../test/harness/agent-fixture.ts';
import { REVIEWS } from '../../test/harness/certificates.ts';
import { TlsListener, closed, fetchHello } from '../../test/harness/tls-listener.ts';
import type { CommonTlsContext } from '../config/tls.ts';
import { clusterScope } from '../telemetry/stat-name.ts';
import { ClientTlsContext, contextOf } from '../tls/client-context.ts';
import { PeerRefusal } from '../tls/peer-verification.ts';
import { SecureContexts } from '../tls/secure-contexts.ts';
import { TlsStats } from '../tls/tls-stats.ts';

const HOUR_MS = 3_600_000;

/** What our control plane gives sidecars: the agent's secrets by name. */
const MESH: CommonTlsContext = {
  tlsCertificateSdsSecretConfigs: [{ name: 'default', sdsConfig: { ads: {} } }],
  combinedValidationContext: {
    defaultValidationContext: { matchTypedSubjectAltNames: [{ sanType: 'URI', matcher: { exact: REVIEWS } }] },
    validationContextSdsSecretConfig: { name: 'ROOTCA', sdsConfig: { ads: {} } },
  },
};

/** Both sides' contexts with an agent, all by one clock. */
class Sides {
  readonly agent: AgentFixture;
  readonly listener: TlsListener;
  readonly client: ClientTlsContext;
  #taken = 0;

  constructor(agent: AgentFixture, listener: TlsListener) {
    this.agent = agent;
    this.listener = listener;
    const { stats, clock } = agent;
    this.client = new ClientTlsContext({ commonTlsContext: MESH }, {
      secrets: listener.secrets, contexts: new SecureContexts(contextOf), clock,
      stats: new TlsStats(stats, clusterScope('peer')),
    });
    this.hand();
  }

  /** The agent's new secrets reach the worker. */
  hand(): void {
    for (const secret of this.agent.secrets.slice(this.#taken)) this.listener.secrets.apply(secret);
    this.#taken = this.agent.secrets.length;
  }

  /** A node:tls client with the agent's certificate: 'hello', or why our listener did not let it in. */
  async inbound(): Promise<string> {
    const index = this.listener.outcomes.length;
    const { tlsCertificate } = this.agent.secrets.findLast(({ name }) => name === 'default')!;
    const key = tlsCertificate!.privateKey!.inlineString!;
    const options = { cert: this.agent.certificate(), key, ca: this.agent.ca.roots };
    const { text } = await fetchHello(this.listener.port, { ...options, checkServerIdentity: () => undefined });
    return (await this.listener.outcome(index)).failure ?? text;
  }

  /** Our client with a node:tls server that shows the agent's certificate: 'hello', or why it was refused. */
  async outbound(): Promise<string> {
    const { tlsCertificate } = this.agent.secrets.findLast(({ name }) => name === 'default')!;
    const key = tlsCertificate!.privateKey!.inlineString!;
    const server = createServer({ cert: this.agent.certificate(), key }).on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const handshake = this.client.binding!.begin('peer', { sni: undefined, required: undefined }, []);
    const { port } = server.address() as AddressInfo;
    const socket = connect({ port, host: '127.0.0.1', ...handshake.options });
    await once(socket, 'secureConnect');
    const judged = handshake.judge(socket);
    socket.destroy();
    await closed(socket);
    server.close();
    return judged instanceof PeerRefusal ? judged.reason : 'hello';
  }

  async pass(ms: number): Promise<void> {
    await this.agent.pass(ms);
    this.hand();
  }
}

async function start(t: TestContext): Promise<Sides> {
  const agent = new AgentFixture(t);
  await agent.start();
  const config = { commonTlsContext: MESH, requireClientCertificate: true };
  const listener = await TlsListener.start(config, agent.clock);
  t.after(() => listener[Symbol.asyncDispose]());
  return new Sides(agent, listener);
}

test('F22 the authority is away for hours: node:tls peers get in until the end, then nobody, in words', async (t) => {
  const sides = await start(t);
  const { agent } = sides;
  agent.answer = async () => Promise.reject(new Error('connect ECONNREFUSED'));
  const endsMs = agent.clock.wallMs() + 24 * HOUR_MS;
  for (let hour = 0; hour < 24; hour++) {
    assert.deepEqual([await sides.inbound(), await sides.outbound()], ['hello', 'hello'], `hour ${hour}`);
    assert.equal(agent.agent.ready, true);
    await sides.pass(Math.min(HOUR_MS, endsMs - agent.clock.wallMs() - 60_000));
  }
  assert.equal(await sides.inbound(), 'hello', 'in the last minute');
  await sides.pass(120_000);
  for (const reason of [await sides.inbound(), await sides.outbound()]) {
    assert.match(reason, /^the certificate is out of date since \d{4}-\d\d-\d\dT/);
  }
  assert.equal(agent.agent.ready, false, 'nor is the proxy ready any more');
  const said = agent.lines.filter((line) => /^error agent: all of the certificate's life is over/.test(line));
  assert.equal(said.length, 1);
  await sides.pass(5 * HOUR_MS);
  assert.match(await sides.inbound(), /out of date/);
  agent.answer = async ({ csr }) => agent.issue(csr);
  await agent.newToken();
  await sides.pass(60_000);
  // OpenSSL, which goes by the system's clock, would not believe a certificate of tomorrow.
  assert.equal(agent.agent.ready, true, 'it is back');
});

test('F21 a clock an hour behind believes no certificate of the future, until it is right', async (t) => {
  const sides = await start(t);
  sides.agent.clock.setWallBy(-HOUR_MS);
  assert.match(await sides.inbound(), /^the certificate is not valid before/);
  sides.agent.clock.setWallBy(HOUR_MS);
  assert.equal(await sides.inbound(), 'hello');
});
