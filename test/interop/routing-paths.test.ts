// The normal form of paths under each of Istio's modes and each action for escaped slashes, beside a real Envoy.
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
const file = fileURLToPath(new URL('bootstraps/paths.yaml', import.meta.url));

const MODES: Readonly<Record<string, string>> = {
  NONE: 'normalize_path: false',
  BASE: 'normalize_path: true',
  MERGE_SLASHES: 'normalize_path: true\n                merge_slashes: true',
  DECODE_AND_MERGE_SLASHES: `normalize_path: true
                merge_slashes: true
                path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD`,
  redirect: `normalize_path: true
                merge_slashes: true
                path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT`,
  'redirect alone': 'path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT',
  reject: 'path_with_escaped_slashes_action: REJECT_REQUEST',
};

const PATHS = ['/', '/a', '/admin/x', '/a/../admin/x', '/a/./b', '/a/..', '/../a', '/a//b', '//admin/x', '/a/.../b',
  '/a%2fb', '/a%2Fb?c%2fd', '/a%5cb', '/%2e%2e/a', '/a/%2E%2e/admin/x', '/a%2f..%2fadmin/x', '/a%2f%2fb', '/a\\b',
  '/a?b/../c', '/a?b=%2f//', '/a;b/../admin/x', '/%61dmin/x', '/a%20b', '/a%252fb', '/%41%7E%2D%5F%30%7e',
  '/%21%24%27%28%3b%3A%40',
  '/%7c%22', '/a|b', '/a^b', '/a{b}', '/a"b', '/a<b>', '/a`b', '/a?b|c',
  '/%2561dmin/x', '/a/b/', '/a/b/.', '/a/b/..'];

for (const [mode, text] of Object.entries(MODES)) {
  test(`S40 S41 paths under ${mode} are Envoy's`, { skip }, async () => {
    await using upstream = await EchoServer.start('echo');
    const plan = { own: [18_090], shared: new Map([[18_091, upstream.port]]), listener: 18_090 };
    await using pair = await SideBySide.start(envoy, file, plan, (yaml) => yaml.replace('NORMALIZATION: here', text));
    const problems: string[] = [];
    for (const path of PATHS) {
      const theirs = JSON.stringify(decision(await exchange(pair.envoy.portOf(18_090), requestText({ path }))));
      const ours = JSON.stringify(decision(await exchange(pair.weft.portOf(18_090), requestText({ path }))));
      if (ours !== theirs) problems.push(`${path}\n  envoy ${theirs}\n  weft  ${ours}`);
    }
    assert.equal(problems.length, 0, problems.join('\n'));
  });
}
