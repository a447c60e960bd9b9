// Providers that a cluster names: what is refused before anything is sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import type { LoginProvider } from '../config/login-exchange.ts';
import type { ConfigStore } from './config-store.ts';
import { LoginProviders } from './login-provider.ts';

const PROVIDER: LoginProvider = {
  issuer: '', clientId: 'shop', clientSecret: 'secret', authentication: 'CLIENT_SECRET_POST', trustedCa: undefined,
  timeoutMs: 1000, cluster: 'provider',
  endpoints: { authorization: 'https://login.test/auth', token: 'https://login.test/token', endSession: undefined },
};

/** Every resource is a cluster of these endpoints. */
function storeOf(lbEndpoints: readonly unknown[]): ConfigStore {
  const resource = { name: 'provider', loadAssignment: { endpoints: [{ lbEndpoints }] } };
  return { get: (kind: string) => (kind === 'cluster' ? { resource } : undefined) } as unknown as ConfigStore;
}

test('a secret for a token endpoint of https is not sent in clear, nor to a cluster that has no endpoint', async () => {
  const providers = new LoginProviders(new ManualClock());
  const endpoint = { endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: 1 } } } };
  for (const [endpoints, reason] of [[[endpoint], /in clear/], [[], /has no endpoint/]] as const) {
    const answer = await providers.answer(PROVIDER, { kind: 'endpoints' }, storeOf(endpoints));
    assert.ok(answer.kind === 'failed' && answer.unreachable);
    assert.match(answer.reason, reason);
    assert.doesNotMatch(answer.reason, /secret'/);
  }
  providers.close();
});
