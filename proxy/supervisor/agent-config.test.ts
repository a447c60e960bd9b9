// node.metadata.WEFT_CA: what turns the agent on, and each mistake named by its field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentConfigOf } from './agent-config.ts';

const good = { address: 'ca.mesh:15012', token_file: '/t', root_file: '/r', trust_domain: 'prod.example' };

test('WEFT_CA turns the agent on, and its absence leaves it off', () => {
  assert.equal(agentConfigOf({}), undefined);
  assert.equal(agentConfigOf({ CLUSTER_ID: 'x' }), undefined);
  assert.deepEqual(agentConfigOf({ WEFT_CA: good }), {
    address: 'ca.mesh:15012', tokenFile: '/t', rootFile: '/r', trustDomain: 'prod.example',
  });
  const { trust_domain: _, ...rest } = good;
  assert.equal(agentConfigOf({ WEFT_CA: { ...rest, address: '[::1]:1' } })!.trustDomain, 'cluster.local');
});

test('mistakes are named by field path', () => {
  const message = (change: unknown): string => {
    try {
      agentConfigOf({ WEFT_CA: typeof change === 'object' && change !== null ? { ...good, ...change } : change });
    } catch (cause) {
      return (cause as Error).message;
    }
    return 'accepted';
  };
  assert.match(message('x'), /^node\.metadata\.WEFT_CA: expected an object with address/);
  assert.match(message({ tokenfile: '/t' }), /WEFT_CA\.tokenfile: unknown field; did you mean 'token_file'/);
  assert.match(message({ token_file: undefined }), /WEFT_CA\.token_file: is missing/);
  assert.match(message({ root_file: 7 }), /WEFT_CA\.root_file: expected a text/);
  assert.match(message({ root_file: '' }), /WEFT_CA\.root_file: expected a text/);
  assert.match(message({ trust_domain: 'Prod' }), /WEFT_CA\.trust_domain: "Prod" has other characters/);
  for (const address of ['localhost', 'a:0', 'a:70000', '::1:5', 'a b:1', 'https://a:1']) {
    assert.match(message({ address }), /WEFT_CA\.address: expected HOST:PORT/, address);
  }
});
