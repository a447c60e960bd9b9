// Requests held against an OpenAPI document: from the object that a user writes to answers that undici gets.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { request } from 'undici';
import { openApiFilters } from '../../control/translate/openapi.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { inventoryOf, nodeOf, viewOf } from '../harness/mesh-fixture.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const policy = (document: string, more = ''): string => `
apiVersion: security.weft.dev/v1
kind: OpenApiPolicy
metadata: { name: petstore }
spec:
  ${more}
  document:
${document.replace(/^/gm, '    ')}
`;

const PETSTORE = `openapi: 3.1.0
info: { title: pets, version: '1' }
servers: [{ url: 'https://pets.test/v1/' }]
paths:
  /pets:
    get:
      parameters:
        - $ref: '#/components/parameters/limit'
        - { name: tag, in: query, schema: { type: array, items: { type: string, enum: [cat, dog] } } }
        - { name: ids, in: query, explode: false, schema: { type: array, items: { type: integer } } }
        - { name: q, in: query, schema: { type: string, minLength: 2, maxLength: 5, pattern: '^[a-z]+$' } }
        - { name: x-trace, in: header, required: true, schema: { type: string } }
        - { name: weight, in: query, schema: { type: number } }
        - { name: sold, in: query, schema: { type: boolean } }
        - { name: filter, in: query, style: deepObject, schema: { type: object } }
    post:
      requestBody: { required: true, content: { application/json: {}, text/*: {} } }
  /pets/mine: { get: {} }
  /pets/{id}:
    parameters: [{ name: id, in: path, required: true, schema: { type: integer, minimum: 1 } }]
    get: {}
    delete: { parameters: [{ name: id, in: path, required: true, schema: { type: string, pattern: '^x' } }] }
  /pets/{id}/photos/{name}: { get: {} }
components:
  parameters:
    limit: { name: limit, in: query, required: true, schema: { $ref: '#/components/schemas/limit' } }
  schemas: { limit: { type: integer, minimum: 1, maximum: 100 } }
`;

/** The filters of a sidecar that the control plane makes of an object, as YAML files would have them. */
function filtersOf(yaml: string): unknown[] {
  return openApiFilters(viewOf(yaml), nodeOf()).map((filter) => JSON.parse(JSON.stringify(filter)) as unknown);
}

async function start(upstream: EchoServer, yaml: string): Promise<TestProxy> {
  const listener = httpListener([routeTo('pets')], { http_filters: filtersOf(yaml) });
  return TestProxy.start(bootstrapOf([listener], [staticCluster('pets', [upstream.port])]));
}

interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

async function ask(proxy: TestProxy, path: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<string> {
  const answer = await request(`http://127.0.0.1:${proxy.port()}${path}`, {
    method: method as 'GET', headers: { 'x-trace': '1', ...headers }, ...(body !== undefined && { body }),
  });
  const text = await answer.body.text();
  return answer.statusCode === 200 ? '200' : `${answer.statusCode} ${text.trimEnd()}`;
}

describe('an API as its OpenAPI document has it (undici)', () => {
  let upstream: EchoServer;
  let proxy: TestProxy;
  before(async () => {
    upstream = await EchoServer.start('pets');
    proxy = await start(upstream, policy(PETSTORE));
  });
  after(async () => {
    await proxy[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  const good: readonly (readonly [string, Ask?])[] = [
    ['/v1/pets?limit=1'], ['/v1/pets?limit=100&tag=cat&tag=dog&q=abc&weight=-1.5e3&sold=true&ids=1,2,3&other=%'],
    ['/v1/pets?li%6Dit=7&q=caf%65'], ['/v1/pets?limit=1', { method: 'HEAD' }], ['/v1/pets/mine'], ['/v1/pets/17'],
    ['/v1/pets/x17', { method: 'DELETE' }], ['/v1/pets/1/photos/a%20b?size=1'],
    ['/v1/pets', { method: 'POST', body: '{}', headers: { 'content-type': 'Application/JSON; charset=utf-8' } }],
    ['/v1/pets', { method: 'POST', body: 'x', headers: { 'content-type': 'text/csv' } }],
    ['/elsewhere'], ['/v1x/pets'], ['/'],
  ];
  for (const [path, options] of good) {
    test(`passes ${options?.method ?? 'GET'} ${path}`, async () => {
      assert.equal(await ask(proxy, path, options), '200');
    });
  }

  const bad: readonly (readonly [string, string, Ask?])[] = [
    ['/v1/pets', "400 petstore: query parameter 'limit' is required"],
    ['/v1/pets?limit=', "400 petstore: query parameter 'limit' must be an integer"],
    ['/v1/pets?limit=0', "400 petstore: query parameter 'limit' must be at least 1"],
    ['/v1/pets?limit=101', "400 petstore: query parameter 'limit' must be at most 100"],
    ['/v1/pets?limit=1&limit=2', "400 petstore: query parameter 'limit' stands more than once"],
    ['/v1/pets?limit=1&limi%74=2', "400 petstore: query parameter 'limit' stands more than once"],
    [`/v1/pets?limit=${'9'.repeat(100)}`, "400 petstore: query parameter 'limit' must be an integer"],
    ['/v1/pets?limit=%FF', "400 petstore: query parameter 'limit' cannot be read"],
    ['/v1/pets?limit=1&%ZZ=1', '400 petstore: the query cannot be read'],
    [`/v1/pets?limit=1${'&a=1'.repeat(300)}`, '400 petstore: the query cannot be read'],
    ['/v1/pets?limit=1&tag=cow', "400 petstore: query parameter 'tag' is none of the values that it may have"],
    ['/v1/pets?limit=1&ids=1,x', "400 petstore: query parameter 'ids' must be an integer"],
    ['/v1/pets?limit=1&q=a', "400 petstore: query parameter 'q' must have at least 2 characters"],
    ['/v1/pets?limit=1&q=abcdef', "400 petstore: query parameter 'q' must have at most 5 characters"],
    ['/v1/pets?limit=1&q=ab1', "400 petstore: query parameter 'q' does not have the form that it must have"],
    ['/v1/pets?limit=1&weight=1e999', "400 petstore: query parameter 'weight' must be a number"],
    ['/v1/pets?limit=1&weight=Infinity', "400 petstore: query parameter 'weight' must be a number"],
    ['/v1/pets?limit=1&weight=0x10', "400 petstore: query parameter 'weight' must be a number"],
    ['/v1/pets?limit=1&sold=TRUE', "400 petstore: query parameter 'sold' must be true or false"],
    ['/v1/pets/0', "400 petstore: path parameter 'id' must be at least 1"],
    ['/v1/pets/y', "400 petstore: path parameter 'id' must be an integer"],
    ['/v1/pets/17', "400 petstore: path parameter 'id' does not have the form that it must have", { method: 'DELETE' }],
    ['/v1/pets/', '404 petstore: there is no such path'], ['/v1', '404 petstore: there is no such path'],
    ['/v1?x', '404 petstore: there is no such path'], ['/v1/cows', '404 petstore: there is no such path'],
    ['/v1/pets/1/photos', '404 petstore: there is no such path'],
    [`/v1${'/a'.repeat(2000)}`, '404 petstore: there is no such path'],
    ['/v1/pets/1', '405 petstore: /v1/pets/{id} has DELETE, GET, HEAD', { method: 'PUT' }],
    ['/v1/pets', '415 petstore: the body must be application/json or text/*', { method: 'POST', body: 'x' }],
    ['/v1/pets', '400 petstore: a body is required', { method: 'POST' }],
  ];
  for (const [path, wanted, options] of bad) {
    test(`refuses ${options?.method ?? 'GET'} ${path.slice(0, 60)}`, async () => {
      const served = upstream.requests;
      assert.equal(await ask(proxy, path, options), wanted);
      assert.equal(upstream.requests, served);
    });
  }

  test('a 405 says what there is, and five faults are told at once', async () => {
    const url = `http://127.0.0.1:${proxy.port()}`;
    const wrong = await request(`${url}/v1/pets/1`, { method: 'PUT' });
    assert.equal(wrong.headers['allow'], 'DELETE, GET, HEAD');
    await wrong.body.dump();
    const many = await request(`${url}/v1/pets?tag=x&ids=x&q=x&weight=x&sold=x`);
    assert.equal((await many.body.text()).trimEnd().split('\n').length, 5);
  });
});

test('a dry run counts and lets pass; other hosts are not concerned (undici)', async () => {
  await using upstream = await EchoServer.start('pets');
  {
    await using proxy = await start(upstream, policy(PETSTORE, 'dryRun: true'));
    assert.equal(await ask(proxy, '/v1/cows'), '200');
    assert.equal(proxy.stat('http.http.openapi.default.petstore.shadow_denied'), 1);
  }
  await using proxy = await start(upstream, policy(PETSTORE, "hosts: [pets.test, '*.pets.test']"));
  for (const [host, status] of [['pets.test', 404], ['pets.test:81', 404], ['a.pets.test', 404], ['PETS.test', 404],
    ['127.0.0.1', 200], ['xpets.test', 200]] as const) {
    const answer = await request(`http://127.0.0.1:${proxy.port()}/v1/cows`, { headers: { host } });
    await answer.body.dump();
    assert.equal(answer.statusCode, status, host);
  }
  assert.equal(proxy.stat('http.http.openapi.default.petstore.denied'), 4);
});

test('a document as text is the same as one in place; faults of one are told with their place', () => {
  const text = policy(PETSTORE).replace('document:', 'document: |');
  assert.deepEqual(filtersOf(text), filtersOf(policy(PETSTORE)));
  for (const [from, to, reason] of [
    ['openapi: 3.1.0', 'swagger: "2.0"', /test.yaml:7: .* spec\.document: openapi must be an OpenAPI 3/],
    ["'#/components/schemas/limit'", "'#/components/schemas/none'", /refers to what is not there/],
    ["'#/components/schemas/limit'", "'http://evil.test/x'", /must refer to the same document/],
    ['/pets/{id}/photos/{name}', '/pets/{id}.json', /template in part/], ["'^[a-z]+$'", "'(?=a)b'", /linear time/],
    ['in: header', 'in: body', /must be query, header, path or cookie/],
    ["limit: { name: limit, in: query, required: true, schema: { $ref: '#/components/schemas/limit' } }",
      "limit: { $ref: '#/components/parameters/limit' }", /in circles/],
    ['https://pets.test/v1/', 'https://{host}/v1/', /without variables/],
  ] as const) {
    assert.ok(PETSTORE.includes(from), from);
    assert.throws(() => inventoryOf(policy(PETSTORE.replace(from, to))), reason, to);
  }
});
