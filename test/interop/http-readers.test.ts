// What the control plane shows over HTTP, asked from another machine: curl in a network namespace of its own.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { HttpReaders } from '../../control/http-readers.ts';
import { startHttpServer } from '../../control/http-server.ts';
import { TraceStore } from '../../control/traces/trace-store.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { inOwnNetwork } from '../harness/own-network.ts';
import { HOST_IP, makePods, type Pod } from '../harness/pod-network.ts';

const TOKEN = 'a-token-of-some-length';

async function codeOf(pod: Pod, url: string, ...args: string[]): Promise<string> {
  return (await pod.run('curl', '-s', '-m', '10', '-o', '/dev/null', '-w', '%{http_code}', ...args, url)).stdout;
}

inOwnNetwork(import.meta.url, () => {
  const pods = makePods(['reader', 'other']);

  test('S100 other machines read the status with a token or from a network that is named (curl)', async (t) => {
    const tokenFile = join(temporaryFolder(t), 'token');
    writeFileSync(tokenFile, `${TOKEN}\n`);
    const readers = new HttpReaders({ networks: [pods.reader.ip], tokenFile });
    const server = await startHttpServer({
      host: '0.0.0.0', port: 0, traces: new TraceStore(), readers, status: () => ({}) });
    t.after(() => server.close());
    const url = `http://${HOST_IP}:${server.port}`;
    for (const path of ['/api/status', '/traces', '/api/traces']) {
      assert.equal(await codeOf(pods.reader, url + path), '200');
      assert.equal(await codeOf(pods.other, url + path), '401');
      assert.equal(await codeOf(pods.other, url + path, '-H', `authorization: Bearer ${TOKEN}`), '200');
      assert.equal(await codeOf(pods.other, url + path, '-u', `me:${TOKEN}`), '200');
      assert.equal(await codeOf(pods.other, url + path, '-u', 'me:another-token-of-16'), '401');
    }
    assert.equal(await codeOf(pods.other, `${url}/healthz`), '200', 'probes show nothing');
    const spans = ['-H', 'content-type: application/json', '-d', '[]'];
    assert.equal(await codeOf(pods.other, `${url}/api/v2/spans`, ...spans), '202', 'neither do proxies');
    assert.equal((await fetch(`${url}/api/status`)).status, 200, 'who has the address is on this machine');
  });
});
