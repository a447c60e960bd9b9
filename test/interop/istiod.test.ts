// weft as a proxy of a real istiod, beside a stock Envoy under the same: sidecars whose pods' connections are
// redirected, and gateways, with certificates of istiod's own service. What is called ends the same through each.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SignJWT } from 'jose';
import { serverLeaf, testRoot } from '../harness/certificates.ts';
import { findGoTool } from '../harness/go-tools.ts';
import { comparable, otherCalls, serviceCalls } from '../harness/istio-cases.ts';
import type { Call, Outcome } from '../harness/istio-call.ts';
import {
  MESH_CONFIG, gatewayRules, meshObjects, podObjects, serverObjects, serverRules,
} from '../harness/istio-mesh.ts';
import { IstioPods } from '../harness/istio-pods.ts';
import { ISTIOD_NAME, Istiod } from '../harness/istiod.ts';
import { configure, inOwnNetwork } from '../harness/own-network.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { HOST_IP, makePods } from '../harness/pod-network.ts';
import type { ServerProcess } from '../harness/process.ts';
import { keySet, makeKey } from '../harness/token-keys.ts';
import { until } from '../harness/until.ts';

const istiodBinary = findGoTool('istiod', false);
const missing = [istiodBinary, findEnvoy(false)].map(reasonToSkip).find((reason) => reason !== false);

/** A stock Envoy knows none of the filters of Istio's own. Certificates live so long that some are renewed. */
const SETTINGS = {
  PILOT_ENABLE_METADATA_EXCHANGE: 'false', PILOT_ENABLE_ALPN_FILTER: 'false', DEFAULT_WORKLOAD_CERT_TTL: '90s',
};
const VIPS = { 'web-weft': '10.96.0.10', 'web-envoy': '10.96.0.11' } as const;
const SERVERS = ['web-weft', 'web-envoy'] as const;
const CLIENTS = ['client-weft', 'client-envoy'] as const;
const GATEWAYS = ['gateway-weft', 'gateway-envoy'] as const;
const SHOP = 'shop.example';

if (missing !== undefined) {
  test('under a real istiod', { skip: missing }, () => undefined);
} else {
  inOwnNetwork(import.meta.url, () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-istiod-'));
    const key = makeKey('RS256');
    const proxies = new Map<string, ServerProcess>();
    let token: string;
    let names: ReturnType<typeof makePods<typeof SERVERS[number] | typeof CLIENTS[number] | typeof GATEWAYS[number]
      | 'outside'>>;
    let istiod: Istiod;
    let pods: IstioPods;

    const kindOf = (name: string): 'weft' | 'envoy' => (name.endsWith('weft') ? 'weft' : 'envoy');

    async function start(env: Readonly<Record<string, string>>): Promise<void> {
      const objects = [
        ...meshObjects(), ...SERVERS.flatMap((name) => serverObjects(names[name], VIPS[name])),
        ...CLIENTS.flatMap((name) => podObjects(names[name])),
        ...GATEWAYS.flatMap((name) => podObjects(names[name], { istio: 'gateway' })), gatewaySecret(),
      ];
      const files = {
        rules: SERVERS.map((name) => serverRules(name, keySet(key))).join('\n---\n'),
        gateway: gatewayRules(SHOP, 'web-envoy'),
      };
      const options = { folder, binary: istiodBinary, host: HOST_IP, meshConfig: MESH_CONFIG, env };
      istiod = await Istiod.start(options, files, objects);
      pods = new IstioPods(folder, istiod);
      for (const name of [...SERVERS, 'outside'] as const) pods.startApplication(names[name]);
      await Promise.all([...SERVERS, ...CLIENTS, ...GATEWAYS].map(async (name, i) => {
        const isGateway = (GATEWAYS as readonly string[]).includes(name);
        const type = isGateway ? 'router' as const : 'sidecar' as const;
        const labels = isGateway ? { istio: 'gateway' } : {};
        // Both variants of the protocol, among both kinds.
        proxies.set(name, await pods.startProxy(names[name], { kind: kindOf(name), type, labels, delta: i % 3 !== 0 }));
      }));
    }

    before(async () => {
      chmodSync(folder, 0o755);
      writeFileSync(join(folder, 'hosts'), `127.0.0.1 localhost\n${HOST_IP} ${ISTIOD_NAME}\n`);
      configure([`mount --bind ${join(folder, 'hosts')} /etc/hosts`]);
      names = makePods([...SERVERS, ...CLIENTS, ...GATEWAYS, 'outside']);
      token = await new SignJWT().setProtectedHeader({ alg: 'RS256', kid: key.id }).setIssuer('me').setSubject('me')
        .setExpirationTime('1h').sign(key.key as Parameters<SignJWT['sign']>[0]);
      await start(SETTINGS);
    });

    after(async () => {
      await pods.stop();
      await istiod.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    /** Outcomes by the name of the call, as they can be compared. */
    async function ends(pod: keyof typeof names, calls: Readonly<Record<string, Call>>): Promise<Map<string, string>> {
      const outcomes: readonly Outcome[] = await pods.call(names[pod], Object.values(calls));
      return new Map(Object.keys(calls).map((name, i) => [name, comparable(outcomes[i]!)]));
    }

    test('weft takes all that istiod sends it, by delta and state-of-the-world ADS (istiod)', async () => {
      for (const name of [...SERVERS, ...CLIENTS, ...GATEWAYS].filter((each) => kindOf(each) === 'weft')) {
        const stats = await pods.admin(names[name], '/stats?filter=update_');
        assert.match(stats, /cluster_manager\.cds\.update_success: [1-9]/, name);
        assert.match(stats, /listener_manager\.lds\.update_success: [1-9]/, name);
        assert.doesNotMatch(stats, /update_rejected: [1-9]/, name);
      }
      for (const [name, { output }] of proxies) {
        if (kindOf(name) === 'weft') assert.doesNotMatch(output, /refused|\[error\]|\[critical\]/, name);
      }
    });

    test('requests end as Envoy\'s do, whichever of them is on which side (istiod, Envoy)', async () => {
      const seen = new Map<string, Map<string, string>>();
      for (const client of CLIENTS) {
        for (const server of SERVERS) {
          seen.set(`${client} ${server}`, await ends(client, serviceCalls(server, VIPS[server], token)));
        }
      }
      const expected = seen.get('client-envoy web-envoy')!;
      assert.match(expected.get('plain')!, /"status":200.*spiffe:\/\/cluster\.local\/ns\/default\/sa\/client/s);
      assert.match(expected.get('denied')!, /"status":403/);
      for (const [pair, found] of seen) {
        for (const [call, end] of found) assert.equal(end, expected.get(call), `${pair}: ${call}`);
      }
    });

    test('what is in no mesh ends the same, and plaintext is refused under STRICT (istiod, Envoy)', async () => {
      const [weft, envoy] = await Promise.all(CLIENTS.map((name) => ends(name, otherCalls(names.outside.ip))));
      assert.deepEqual([...weft!], [...envoy!]);
      for (const server of SERVERS) {
        const plaintext = { host: names[server].ip, port: 8080, headers: { host: 'x' } };
        assert.match((await ends('outside', { plaintext })).get('plaintext')!, /"failed":true/, server);
      }
    });

    test('lines of the access log have the same status, flags and details (istiod, Envoy)', async () => {
      const cases = { abort: '/abort', timeout: '/timeout', none: '/none', denied: '/denied', direct: '/direct' };
      const lines = async (client: typeof CLIENTS[number], server: typeof SERVERS[number]): Promise<string[]> => {
        const host = `${server}.default.svc.cluster.local`;
        const calls = Object.entries(cases).map(([name, path]): Call => ({
          host: VIPS[server], port: 80, path, headers: { host, 'x-case': name, 'x-delay-ms': '1000' } }));
        await pods.call(names[client], calls);
        const written = (): string[] => readFileSync(join(folder, client, 'access.log'), 'utf8').split('\n')
          .filter((line) => Object.keys(cases).includes(line.split(' ')[0]!));
        // Envoy writes its file every few seconds.
        await until('all lines', () => written().length >= calls.length, 20_000);
        return written().toSorted();
      };
      const [weft, envoy] = await Promise.all([lines('client-weft', 'web-weft'), lines('client-envoy', 'web-envoy')]);
      assert.deepEqual(weft, envoy);
    });

    test('F05 certificates are renewed by istiod, which signs those of weft and Envoy (istiod)', async () => {
      for (const name of ['client-weft', 'web-weft', 'gateway-weft'] as const) {
        const issued = async (): Promise<number> =>
          Number(/agent\.certificate_issued: (\d+)/.exec(await pods.admin(names[name], '/stats?filter=agent'))?.[1]);
        await until(`${name}: another certificate`, async () => await issued() >= 2, 60_000);
      }
      const host = 'web-weft.default.svc.cluster.local';
      const call = { host: VIPS['web-weft'], port: 80, headers: { host } };
      const [outcome] = await pods.call(names['client-envoy'], [call]);
      assert.equal(outcome?.status, 200);
    });

    test('as a gateway: HTTP, and TLS by a Secret, end as Envoy\'s do (istiod, Envoy, curl)', async () => {
      for (const name of GATEWAYS) {
        const silent = ['-s', '-k', '-m', '10', '-o', '/dev/null', '-w', '%{http_code}'];
        const ask = async (...args: string[]): Promise<string> =>
          (await names.outside.run('curl', ...silent, ...args)).stdout;
        const { ip } = names[name];
        await until(`${name} listens`, async () => await ask('-H', `host: ${SHOP}`, `http://${ip}:8080/`) === '200');
        assert.equal(await ask('-H', 'host: other.example', `http://${ip}:8080/`), '404', name);
        assert.equal(await ask('--resolve', `${SHOP}:8443:${ip}`, `https://${SHOP}:8443/`), '200', name);
        assert.equal(await ask('--resolve', `${SHOP}:8443:${ip}`, `https://${SHOP}:8443/denied`), '403', name);
      }
    });
  });
}

function gatewaySecret(): ReturnType<typeof podObjects>[number] {
  const { chain, key } = serverLeaf(testRoot(), [{ dns: SHOP }]);
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return {
    apiVersion: 'v1', kind: 'Secret', metadata: { name: 'gateway-cert', namespace: 'default' },
    type: 'kubernetes.io/tls', data: { 'tls.crt': base64(chain), 'tls.key': base64(key) },
  };
}
