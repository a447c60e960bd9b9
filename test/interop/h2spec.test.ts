// h2spec, the conformance suite of RFC 9113 and RFC 7541, against a proxy's HTTP/2 server: in the clear and over TLS.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { EchoServer } from '../harness/echo-server.ts';
import { findGoTool } from '../harness/go-tools.ts';
import { overTls, serverTls, testIdentities } from '../harness/http2-bootstrap.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { reasonToSkip } from '../harness/peers.ts';
import { ServerProcess } from '../harness/process.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import type { ProxyKind } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const h2spec = findGoTool('h2spec', false);
/** Fewer mean that the suite broke off; --strict has one more. */
const CASES_MIN = 145;

interface Run {
  readonly listener: 'plain' | 'secure';
  readonly flags: readonly string[];
  /** Envoy's takes 20 s, most of it in the cases that it fails: once is enough to prove this test. */
  readonly kinds: readonly ProxyKind[];
}

const RUNS: readonly Run[] = [
  { listener: 'plain', flags: [], kinds: ['weft'] },
  { listener: 'plain', flags: ['--strict'], kinds: ['weft', 'envoy'] },
  { listener: 'secure', flags: ['--tls', '--insecure'], kinds: ['weft'] },
  { listener: 'secure', flags: ['--tls', '--insecure', '--strict'], kinds: ['weft'] },
];

/** What Envoy 1.40 fails, found by this test; weft's list stays empty. */
const ENVOY_FAILS: readonly string[] = [
  'generic/3.8 Sends a GOAWAY frame',
  'http2/5.1 closed: Sends a DATA frame after sending RST_STREAM frame',
  'http2/5.1 closed: Sends a HEADERS frame after sending RST_STREAM frame',
  'http2/5.1 closed: Sends a DATA frame',
  'http2/5.1 closed: Sends a HEADERS frame',
  'http2/5.1.1 Sends stream identifier that is numerically smaller than previous',
  'http2/5.3.1 Sends PRIORITY frame that depend on itself',
  'http2/5.4.1 Sends an invalid PING frame to receive GOAWAY frame',
  'http2/6.3 Sends a PRIORITY frame with 0x0 stream identifier',
  'http2/6.9.1 Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1',
  'http2/6.9.1 Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream',
  'http2/7 Sends a GOAWAY frame with unknown error code',
];
const KNOWN: Readonly<Record<ProxyKind, readonly string[]>> = { envoy: ENVOY_FAILS, weft: [] };

interface Case {
  /** Document, section and description. */
  readonly name: string;
  /** undefined: it passed. Else what was expected, and on the last line what came. */
  readonly failure: string | undefined;
}

/** A cleartext listener of AUTO would have to answer the case of a wrong preface in HTTP/1.1: it is of HTTP2. */
function bootstrap(upstream: number): unknown {
  // h2spec waits for the end of connections: the sooner the better.
  const manager = { delayed_close_timeout: '0.1s' };
  return bootstrapOf([
    httpListener([routeTo('app')], { ...manager, codec_type: 'HTTP2' }, 'plain'),
    overTls(httpListener([routeTo('app')], manager, 'secure'), serverTls(testIdentities())),
  ], [staticCluster('app', [upstream])]);
}

/** Every case of one run, from the JUnit report. */
async function runSuite(t: TestContext, port: number, flags: readonly string[]): Promise<Case[]> {
  const report = join(temporaryFolder(t), 'junit.xml');
  const args = ['-h', '127.0.0.1', '-p', String(port), '-o', '2', '-j', report, ...flags];
  await using suite = new ServerProcess(h2spec, args, { name: 'h2spec' });
  assert.ok([0, 1].includes(await suite.ended), suite.output);
  return readReport(readFileSync(report, 'latin1'));
}

function readReport(xml: string): Case[] {
  const cases = xml.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g);
  return [...cases].map(([, section, description, result = '']) => {
    const failure = /<(?:error|failure|skipped)\b[^>]*>([\s\S]*?)<\//.exec(result)?.[1]?.replaceAll('\0', '');
    return { name: `${section} ${description?.replaceAll('&#34;', '"')}`, failure };
  });
}

function judge(cases: readonly Case[], known: readonly string[]): void {
  assert.ok(cases.length >= CASES_MIN, `only ${cases.length} cases`);
  const failed = cases.filter(({ failure }) => failure !== undefined);
  const lines = failed.filter(({ name }) => !known.includes(name)).map(({ name, failure }) => {
    const [actual, ...expected] = failure!.trim().split('\n').toReversed();
    return `${name}\n    expected ${expected.toReversed().join(', or ')}\n    but      ${actual}`;
  });
  assert.equal(lines.length, 0, `${lines.length} of ${cases.length} fail:\n${lines.join('\n')}`);
  assert.ok(known.length === 0 || failed.length > 0, 'the known failures are not seen: is the report still read?');
}

for (const { kind, skip } of candidates()) {
  const reason = skip === false ? reasonToSkip(h2spec) : skip;
  void test(`S20-S31 ${kind} passes h2spec`, { skip: reason }, async (t) => {
    await using upstream = await EchoServer.start('app');
    await using proxy = await ProxyProcess.start(kind, bootstrap(upstream.port));
    for (const { listener, flags } of RUNS.filter(({ kinds }) => kinds.includes(kind))) {
      await t.test(`${listener} ${flags.join(' ')}`.trim(), async (subtest) => {
        const before = upstream.requests;
        judge(await runSuite(subtest, proxy.port(listener), flags), KNOWN[kind]);
        assert.ok(upstream.requests > before, 'no request reached the upstream');
        await proxy.quiet(listener);
      });
    }
    await t.test('and takes connections as before', async (subtest) => {
      const cases = await runSuite(subtest, proxy.port('plain'), ['generic/1']);
      assert.deepEqual(cases.map(({ failure }) => failure), [undefined]);
    });
  });
}
