// Autobahn's WebSocket cases through a proxy: every verdict is what the server has without one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AutobahnEcho, autobahnVerdicts, findAutobahn } from '../harness/autobahn.ts';
import type { Verdicts } from '../harness/autobahn.ts';
import { mutualClientTls, mutualServerTls, overTls, protocolOptions,
  testIdentities } from '../harness/http2-bootstrap.ts';
import { reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

/**
 * Framing, pings, reserved bits, opcodes, fragmentation, UTF-8, close handshake, limits, auto-fragmentation; and of
 * permessage-deflate one case for each negotiation, because the others only differ in sizes. WEFT_AUTOBAHN=all runs
 * them all.
 */
const CASES = ['1.*', '2.*', '3.*', '4.*', '5.*', '6.*', '7.*', '9.*', '10.*',
  ...[1, 2, 3, 4, 5].map((group) => `12.${group}.1`), ...[1, 2, 3, 4, 5, 6, 7].map((group) => `13.${group}.1`)];
const CHOSEN = process.env['WEFT_AUTOBAHN'] === 'all' ? ['*'] : CASES;

const identities = testIdentities();
const MANAGER = { upgrade_configs: [{ upgrade_type: 'websocket' }] };
const HTTP2_MANAGER = { ...MANAGER, http2_protocol_options: { allow_connect: true } };

/** The server's sidecar: HTTP/2 by mutual TLS in, with WebSocket in it (RFC 8441). */
function inbound(port: number): unknown {
  const listener = overTls(httpListener([routeTo('app')], HTTP2_MANAGER, 'inbound'), mutualServerTls(identities));
  return bootstrapOf([listener], [staticCluster('app', [port])]);
}

/** The client's sidecar: to the server at once, and by way of the other sidecar. */
function outbound(port: number, inboundPort: number): unknown {
  return bootstrapOf([
    httpListener([routeTo('app')], MANAGER, 'direct'), httpListener([routeTo('sidecar')], MANAGER, 'mesh'),
  ], [
    staticCluster('app', [port]),
    staticCluster('sidecar', [inboundPort], {
      ...protocolOptions({ http2_protocol_options: { allow_connect: true } }),
      transport_socket: mutualClientTls(identities),
    }),
  ]);
}

/** So many cases may be tried again. */
const AGAIN_MAX = 10;

/**
 * Of reserved bits and opcodes (3, 4) the suite passes a server that echoes what came before the bad frame (OK) and one
 * that fails at once (NON-STRICT): which of them the same server is, is a matter of what it reads at a time.
 */
function isSame(id: string, verdict: string, other: string | undefined): boolean {
  const loose = (text: string): string => text.replace('NON-STRICT', 'OK');
  return other === verdict || (/^[34]\./.test(id) && loose(other ?? '') === loose(verdict));
}

/** What differs, by case. */
function differences(direct: Verdicts, through: Verdicts): string[] {
  return [...direct].filter(([id, verdict]) => !isSame(id, verdict, through.get(id)))
    .map(([id, verdict]) => `${id}: ${verdict} directly, ${through.get(id) ?? 'no verdict'} through the proxy`);
}

/** A listener of the client's sidecar, and where it leads. */
const WAYS = [['direct', 'one proxy'], ['mesh', 'two, with mutual TLS and HTTP/2 between']] as const;
const noSuite = reasonToSkip(findAutobahn(false));

for (const { kind, skip } of candidates()) {
  const options = { skip: skip || noSuite, timeout: 900_000 };
  void test(`${kind} passes Autobahn's cases on as they are`, options, async (t) => {
    await using server = await AutobahnEcho.start();
    const direct = await autobahnVerdicts(server.port, CHOSEN);
    assert.ok(direct.size >= CASES.length, 'the suite has run');
    await using theirs = await ProxyProcess.start(kind, inbound(server.port));
    await using ours = await ProxyProcess.start(kind, outbound(server.port, theirs.port('inbound')));
    for (const [listener, title] of WAYS) {
      await t.test(`${direct.size} cases through ${title}`, { timeout: 280_000 }, async () => {
        const through = new Map(await autobahnVerdicts(ours.port(listener), CHOSEN));
        // Cases are timed, and a busy machine is too slow for some: those have another try by themselves.
        const again = [...direct.keys()].filter((id) => through.get(id) !== direct.get(id));
        if (again.length > 0 && again.length <= AGAIN_MAX) {
          for (const [id, verdict] of await autobahnVerdicts(ours.port(listener), again)) through.set(id, verdict);
        }
        assert.deepEqual(differences(direct, through), []);
        await ours.quiet(listener);
      });
    }
  });
}
