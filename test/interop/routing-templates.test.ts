// Paths matched and rewritten by URI template, by weft and by a real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EchoServer } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import { SideBySide } from '../harness/side-by-side.ts';
import { decision } from './routing-decision.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
const file = fileURLToPath(new URL('bootstraps/templates.yaml', import.meta.url));

/** Template, rewrite, and paths. */
const CASES: readonly (readonly [string, string, readonly string[]])[] = [
  ['/media/{country}/{lang=**}.m3u8', '/{lang}/of/{country}', ['/media/de/a/b.m3u8?x=/media', '/media/de/a.m3u8',
    '/media/de/.m3u8', '/media/de/a.m3u8x', '/media//a.m3u8', '/media/d%20e/a%2Fb.m3u8', '/media/de/a//b.m3u8',
    '/Media/de/a.m3u8', '/media/de/a*.m3u8', '/media/de/[a].m3u8', '/media/de/a=b;c@d:e.m3u8', '/media/de/a$1.m3u8']],
  ['/*/v1.0+(x)/{name=books/*}', '/{name}/{name}', ['/a/v1.0+(x)/books/b', '/a/v1x0+(x)/books/b',
    '/a/v1.0+(x)/books/b/c', '/a/v1.0+(x)/books/b/', '/a/v1.0+(x)/books/', '/a/v1.0+(x)/books/b?q=1&r']],
];

for (const [match, rewrite, paths] of CASES) {
  test(`S46 template ${match}: the same paths match, and become the same`, { skip }, async () => {
    await using upstream = await EchoServer.start('echo');
    const plan = { own: [18_080], shared: new Map([[18_081, upstream.port]]), listener: 18_080 };
    const edit = (text: string): string => text.replace('path_template: MATCH', `path_template: "${match}"`)
      .replace('path_template_rewrite: REWRITE', `path_template_rewrite: "${rewrite}"`);
    await using pair = await SideBySide.start(envoy, file, plan, edit);
    for (const path of paths) {
      const theirs = await exchange(pair.envoy.portOf(18_080), requestText({ path }));
      const ours = await exchange(pair.weft.portOf(18_080), requestText({ path }));
      assert.deepEqual(decision(ours), decision(theirs), path);
    }
  });
}
