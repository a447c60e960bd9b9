// A node agent under a test's clock, with an authority that can be told to misbehave.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { CertificateAuthority } from '../../certs/ca.ts';
import { parseSpiffeId } from '../../certs/spiffe.ts';
import { openStore } from '../../certs/store.ts';
import type { CaStore } from '../../certs/store.ts';
import { TokenAuthority, writeTokenFile } from '../../certs/token.ts';
import { ManualClock } from '../../proxy/base/clock.ts';
import { SeededRandom } from '../../proxy/base/random.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import type { Secret } from '../../proxy/config/tls.ts';
import { NodeAgent } from '../../proxy/supervisor/agent.ts';
import type { BundleEvents, BundleRequest } from '../../proxy/supervisor/bundle-client.ts';
import type { RequestCertificate } from '../../proxy/supervisor/ca-client.ts';
import { RotationGauges } from '../../proxy/supervisor/rotation-gauges.ts';
import { Stats } from '../../proxy/telemetry/stats.ts';
import { REVIEWS } from './certificates.ts';
import { temporaryFolder } from './openssl.ts';

/** Waits for what promises and files of this process bring about. */
export async function until(condition: () => boolean): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    assert.ok(performance.now() - start < 20_000, `not reached within 20 s: ${condition.toString()}`);
    await turn();
  }
}

export class AgentFixture {
  readonly clock = new ManualClock(Date.now());
  readonly wheel = new TimerWheel(this.clock);
  readonly stats = new Stats({ chunk: () => undefined, register: () => undefined });
  readonly gauges: RotationGauges = new RotationGauges(this.stats);
  readonly secrets: Secret[] = [];
  readonly lines: string[] = [];
  readonly store: CaStore;
  readonly ca: CertificateAuthority;
  readonly tokens: TokenAuthority;
  readonly tokenFile: string;
  readonly rootFile: string;
  readonly agent: NodeAgent;
  /** Tokens that the authority was shown. */
  readonly shown: string[] = [];
  requests = 0;
  /** The streams of roots that the agent opened, and what they were asked with. */
  readonly streams: { readonly request: BundleRequest; readonly events: BundleEvents }[] = [];
  /** What the authority answers; the default issues as it should. */
  answer: RequestCertificate = async ({ csr }) => this.issue(csr);

  constructor(t: TestContext, seed = 1) {
    const folder = temporaryFolder(t);
    const { clock } = this;
    this.store = openStore({ dir: join(folder, 'ca'), clock });
    this.ca = new CertificateAuthority({ store: this.store, clock, audit: () => undefined });
    this.tokens = new TokenAuthority({ key: this.store.tokenKey, trustDomain: this.store.trustDomain, clock });
    [this.tokenFile, this.rootFile] = [join(folder, 'token'), join(folder, 'root.pem')];
    writeFileSync(this.rootFile, this.ca.roots);
    this.agent = this.#newAgent(seed);
    t.after(() => this.agent.stop());
  }

  #newAgent(seed: number): NodeAgent {
    const log = (level: string) => (line: string): void => {
      this.lines.push(`${level} ${line}`);
    };
    const { clock, wheel, stats, tokenFile, rootFile } = this;
    return new NodeAgent({
      config: { address: 'ca:1', tokenFile, rootFile, trustDomain: 'cluster.local' },
      clock, wheel, stats, random: new SeededRandom(seed),
      log: { info: log('info'), warning: log('warning'), error: log('error') },
      onSecret: (secret) => {
        this.secrets.push(secret);
        this.gauges.inForce(secret);
      },
      request: (request) => {
        this.requests++;
        this.shown.push(request.token);
        return this.answer(request);
      },
      follow: (request, events) => {
        this.streams.push({ request, events });
        return { close: () => undefined };
      },
    });
  }

  /** Issues for the usual workload, or another. */
  issue(csr: string, spiffeId = REVIEWS): string[] {
    const result = this.ca.issue({ csr, identity: parseSpiffeId(spiffeId)!, caller: 'test' });
    assert.ok('issued' in result);
    return [...result.issued.chain, this.ca.roots];
  }

  async newToken(): Promise<string> {
    const token = await this.tokens.mint(parseSpiffeId(REVIEWS)!);
    writeTokenFile(this.tokenFile, token);
    return token;
  }

  /** Starts the agent and waits for the end of its first request. */
  async start(): Promise<void> {
    await this.newToken();
    this.agent.start();
    await this.settle();
  }

  /** Moves the clock, fires what is due, and waits until no request is under way. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    this.wheel.advance();
    await this.settle();
  }

  settle(): Promise<void> {
    return until(() => this.agent.state !== 'asking');
  }

  /** The chain that was handed out last, or as the `index`th. */
  certificate(index = -1): string {
    const secret = this.secrets.filter(({ name }) => name === 'default').at(index);
    return secret!.tlsCertificate!.certificateChain.inlineString!;
  }
}
