// Policies through translation into listeners of weft and of a real Envoy, and requests to both.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'undici';
import { httpAuthorization } from '../../control/translate/authorization.ts';
import { viewOf } from '../harness/mesh-fixture.ts';
import { callerOptions, loopback, policyListener, withServerName } from '../harness/policy-listener.ts';
import { SideBySide } from '../harness/side-by-side.ts';
import type { RunningProxy } from '../harness/side-by-side.ts';
import { policyYaml } from './generated-policies.ts';
import type { DrawnPolicy, PolicyRequest } from './generated-policies.ts';

const FIRST_LISTENER = 18_100;
const ADMIN = 19_900;

/** The port of a set's listener in the file, which policies may name. */
export function policyPort(set: number): number {
  return FIRST_LISTENER + set;
}

/** What a proxy did with a request: its status, and which policy it named. */
export interface PolicyOutcome {
  readonly status: number;
  readonly detail: string;
}

export class PolicyProxies implements AsyncDisposable {
  readonly #pair: SideBySide;
  readonly #clients = new Map<string, Client>();

  private constructor(pair: SideBySide) {
    this.#pair = pair;
  }

  static async start(envoy: string, sets: readonly (readonly DrawnPolicy[])[]): Promise<PolicyProxies> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-policies-'));
    const file = join(folder, 'policies.json');
    try {
      const listeners = sets.map((policies, i) => listenerOf(policies, i));
      const admin = { address: loopback(ADMIN) };
      await writeFile(file, JSON.stringify({ admin, staticResources: { listeners } }), { mode: 0o600 });
      const own = [ADMIN, ...sets.map((_, i) => policyPort(i))];
      const plan = { own, shared: new Map<number, number>(), listener: policyPort(0) };
      return new PolicyProxies(await SideBySide.start(envoy, file, plan));
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /** Theirs and ours. */
  async ask(set: number, request: PolicyRequest): Promise<readonly [PolicyOutcome, PolicyOutcome]> {
    return Promise.all([this.#send(this.#pair.envoy, set, request), this.#send(this.#pair.weft, set, request)]);
  }

  /** Figures of the RBAC filters of every set, theirs and ours; those that are 0 left out. */
  async stats(): Promise<readonly [Record<string, number>, Record<string, number>]> {
    const of = async (proxy: RunningProxy): Promise<Record<string, number>> => {
      const answer = await fetch(`http://127.0.0.1:${proxy.portOf(ADMIN)}/stats?filter=rbac`);
      const rows = (await answer.text()).split('\n').map((line) => line.split(': '));
      return Object.fromEntries(rows.filter(([name, value]) => name !== '' && Number(value) > 0)
        .map(([name, value]) => [name!, Number(value)] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    };
    return [await of(this.#pair.envoy), await of(this.#pair.weft)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.destroy()));
    await this.#pair[Symbol.asyncDispose]();
  }

  async #send(proxy: RunningProxy, set: number, request: PolicyRequest): Promise<PolicyOutcome> {
    const { method, path, host, headers, serverName } = request;
    const client = this.#client(proxy.portOf(policyPort(set)), request);
    const fields = ['host', host, ...headers.flat()];
    const answer = await client.request(withServerName({ method: method as 'GET', path, headers: fields }, serverName));
    await answer.body.dump();
    return { status: answer.statusCode, detail: String(answer.headers['x-detail']) };
  }

  #client(port: number, { caller, serverName }: PolicyRequest): Client {
    const key = `${port} ${caller} ${serverName}`;
    return this.#clients.getOrInsertComputed(key, () => {
      if (caller === 'plaintext') return new Client(`http://127.0.0.1:${port}`);
      return new Client(`https://127.0.0.1:${port}`, { connect: callerOptions(caller) });
    });
  }
}

function listenerOf(policies: readonly DrawnPolicy[], set: number): unknown {
  const view = viewOf(policies.map((policy) => policyYaml(policy)).join('\n---\n'));
  const authorization = httpAuthorization(view, { namespace: 'default', labels: new Map() });
  return policyListener(`set-${set}`, policyPort(set), authorization);
}
