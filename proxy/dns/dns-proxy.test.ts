// The DNS proxy on loopback before a DNS server of the tests': asked by Node's resolver (c-ares) and by raw messages.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { decode, encode } from 'dns-packet';
import type { DecodedPacket, StringAnswer } from 'dns-packet';
import { DnsServer } from '../../test/harness/dns-server.ts';
import { Draw } from '../../test/harness/draw.ts';
import { until } from '../../test/harness/until.ts';
import { systemClock } from '../base/clock.ts';
import { PooledRandom } from '../base/random.ts';
import type { NameInfo, NameTable } from '../config/name-table.ts';
import { Logger } from '../telemetry/log.ts';
import { Stats } from '../telemetry/stats.ts';
import { DnsProxy } from './dns-proxy.ts';
import { framed } from './dns-forwarder.ts';

const kubernetes = (shortname: string, namespace: string, ...ips: string[]): NameInfo => (
  { ips, registry: 'Kubernetes', shortname, namespace });
const MANY = Array.from({ length: 200 }, (_, i) => `10.1.0.${i}`);
const NAMES: NameTable = {
  table: {
    'web.default.svc.cluster.local': kubernetes('web', 'default', '10.96.0.1', 'fd00::1'),
    'web.other.svc.cluster.local': kubernetes('web', 'other', '10.96.0.2'),
    'many.default.svc.cluster.local': kubernetes('many', 'default', ...MANY),
    'db-0.db.default.svc.cluster.local': kubernetes('db-0.db', 'default', '10.1.2.3'),
    'api.example.com': { ips: ['240.240.1.1'], registry: 'External' },
    '*.wild.example': { ips: ['240.240.1.2'], registry: 'External' },
    'near.wild.example': { ips: ['240.240.1.3'], registry: 'External' },
  },
};

function counted(stats: Stats, name: string): number {
  return stats.counter({ flat: `dns.${name}`, family: `weft_dns_${name}`, labels: [] }).value;
}

class Fixture {
  readonly upstream: DnsServer;
  readonly proxy: DnsProxy;
  readonly stats: Stats;
  readonly resolver = new Resolver({ timeout: 5000, tries: 1 });

  constructor(upstream: DnsServer, proxy: DnsProxy, stats: Stats) {
    this.upstream = upstream;
    this.proxy = proxy;
    this.stats = stats;
    this.resolver.setServers([`127.0.0.1:${this.port}`]);
  }

  static async start(t: TestContext, search = 'default.svc.cluster.local svc.cluster.local'): Promise<Fixture> {
    const folder = mkdtempSync(join(tmpdir(), 'weft-dns-'));
    const upstream = await DnsServer.start();
    const resolvConf = join(folder, 'resolv.conf');
    writeFileSync(resolvConf, `nameserver 127.0.0.1\nsearch ${search}\noptions ndots:5\n`);
    const stats = new Stats({ chunk: () => {}, register: () => {} });
    const proxy = await DnsProxy.start({
      config: {
        listen: [{ host: '127.0.0.1', port: 0 }], resolvConf, resolverPort: upstream.port,
        where: { namespace: 'default', domain: 'cluster.local' },
      },
      clock: systemClock, random: new PooledRandom(), stats, log: new Logger('off').component('dns'),
    });
    t.after(async () => {
      proxy.stop();
      await upstream[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    });
    proxy.apply({ updated: [{ name: 'names', resource: NAMES }], removed: [] });
    return new Fixture(upstream, proxy, stats);
  }

  get port(): number {
    return this.proxy.ports[0]!;
  }

  readonly count = (name: string): number => counted(this.stats, name);
}

function query(name: string, type: 'A' | 'AAAA' | 'TXT' = 'A', udpPayloadSize = 0, id = 0x1234): Buffer {
  const flags = { extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false };
  const opt = { type: 'OPT', name: '.', udpPayloadSize, ...flags } as const;
  return encode({
    id, type: 'query', flags: 0x0100, questions: [{ name, type }],
    ...(udpPayloadSize > 0 && { additionals: [{ ...opt, options: [] }] }),
  });
}

/** What comes back by UDP for these bytes. */
async function ask(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    socket.send(bytes, port, '127.0.0.1');
    const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(10_000) }) as [Buffer];
    return answer;
  } finally {
    socket.close();
  }
}

/** By TCP: as many answers as there are questions, in one write. */
async function askByTcp(port: number, ...questions: Buffer[]): Promise<Buffer[]> {
  const socket = connect(port, '127.0.0.1');
  socket.write(Buffer.concat(questions.map(framed)));
  let received = Buffer.alloc(0);
  const answers: Buffer[] = [];
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      answers.push(received.subarray(2, 2 + received.readUInt16BE(0)));
      received = received.subarray(2 + received.readUInt16BE(0));
    }
    if (answers.length === questions.length) break;
  }
  return answers;
}

/** NOERROR, NXDOMAIN ... */
function outcome(bytes: Buffer): string {
  return (decode(bytes) as DecodedPacket & { readonly rcode: string }).rcode;
}

function said({ answers = [] }: DecodedPacket): string[] {
  return answers.map((record) => `${record.type} ${record.name} ${String((record as StringAnswer).data)}`);
}

test('names of the mesh, in full and short, of both families, by wildcard and without case (c-ares)', async (t) => {
  const { resolver, upstream, port } = await Fixture.start(t);
  for (const name of ['web.default.svc.cluster.local', 'web', 'web.default', 'web.default.svc', 'WEB.Default.svc']) {
    assert.deepEqual(await resolver.resolve4(name), ['10.96.0.1'], name);
    assert.deepEqual(await resolver.resolve6(name), ['fd00::1'], name);
  }
  assert.deepEqual(await resolver.resolve4('web.other'), ['10.96.0.2']);
  assert.deepEqual(await resolver.resolve4('db-0.db'), ['10.1.2.3']);
  assert.deepEqual(await resolver.resolve4('api.example.com'), ['240.240.1.1']);
  assert.deepEqual(await resolver.resolve4('far.wild.example'), ['240.240.1.2']);
  assert.deepEqual(await resolver.resolve4('a.b.wild.example'), ['240.240.1.2']);
  assert.deepEqual(await resolver.resolve4('near.wild.example'), ['240.240.1.3']);
  const none = await ask(port, query('web.other', 'AAAA'));
  assert.deepEqual([outcome(none), said(decode(none))], ['NOERROR', []], 'a name without such an address exists');
  assert.deepEqual(upstream.asked, []);
});

test('a name lengthened by the first search domain stands for the one that is meant (raw messages)', async (t) => {
  const { port, upstream } = await Fixture.start(t);
  const answer = decode(await ask(port, query('api.example.com.default.svc.cluster.local')));
  assert.deepEqual(said(answer), [
    'CNAME api.example.com.default.svc.cluster.local api.example.com', 'A api.example.com 240.240.1.1']);
  const other = await ask(port, query('web.svc.cluster.local'));
  assert.equal(outcome(other), 'NXDOMAIN', 'other search domains lengthen nothing');
  assert.deepEqual(upstream.asked, ['A web.svc.cluster.local']);
});

test('addresses take turns; what is too long for UDP is cut, unless EDNS takes it, and whole by TCP', async (t) => {
  const { port } = await Fixture.start(t);
  const small = await ask(port, query('many'));
  assert.equal(small.length <= 512, true);
  assert.deepEqual([decode(small).flag_tc, said(decode(small))], [true, []]);
  const [first, second] = (await askByTcp(port, query('many'), query('many'))).map((each) => decode(each));
  assert.equal(first?.answers?.length, 200);
  assert.notEqual(said(first)[0], said(second!)[0]);
  const edns = decode(await ask(port, query('web.default', 'A', 4096)));
  assert.deepEqual(edns.additionals?.map((record) => record.type), ['OPT']);
});

test('what the mesh does not know the pod\'s resolvers answer, untouched (c-ares, raw messages)', async (t) => {
  const { resolver, upstream, port, count } = await Fixture.start(t);
  upstream.answers.set('example.org', { addresses: ['192.0.2.1', '2001:db8:0:0:0:0:0:1'] });
  upstream.answers.set('alias.example.org', { cname: 'example.org' });
  assert.deepEqual(await resolver.resolve4('example.org'), ['192.0.2.1']);
  assert.deepEqual(await resolver.resolve6('example.org'), ['2001:db8::1']);
  assert.deepEqual(await resolver.resolveCname('alias.example.org'), ['example.org']);
  await assert.rejects(resolver.resolve4('nowhere.example.org'), { code: 'ENOTFOUND' });
  const mixed = await ask(port, query('eXaMpLe.oRg', 'A', 1400, 0xbeef));
  assert.equal(mixed.readUInt16BE(0), 0xbeef);
  assert.equal(decode(mixed).questions?.[0]?.name, 'eXaMpLe.oRg');
  assert.equal(outcome(await ask(port, query('web.default', 'TXT'))), 'NXDOMAIN', 'other types are theirs');
  assert.equal(count('forwarded'), 6);
});

test('a server\'s cut answer reaches the client, which asks again by TCP and gets it whole (c-ares)', async (t) => {
  const { resolver, upstream } = await Fixture.start(t);
  const addresses = Array.from({ length: 100 }, (_, i) => `192.0.2.${i}`);
  upstream.answers.set('long.example.org', { addresses });
  assert.deepEqual((await resolver.resolve4('long.example.org')).toSorted(), addresses.toSorted());
  assert.equal(upstream.count('long.example.org'), 2);
});

test('S87 answers that are forged, silent or refused: SERVFAIL, counted, and no other query waits', async (t) => {
  const { port, upstream, count } = await Fixture.start(t);
  const wrong = ['other-id', 'other-question', 'garbage', 'silent'] as const;
  for (const kind of wrong) upstream.answers.set(`${kind}.test`, kind);
  upstream.answers.set('broken.test', 'servfail');
  upstream.answers.set('good.test', { addresses: ['192.0.2.7'] });
  const bad = [...wrong, 'broken'].map((name) => ask(port, query(`${name}.test`)));
  assert.deepEqual(said(decode(await ask(port, query('good.test')))), ['A good.test 192.0.2.7']);
  for (const answer of await Promise.all(bad)) assert.equal(outcome(answer), 'SERVFAIL');
  assert.equal(count('forward_foreign'), 3);
  assert.equal(count('forward_timeouts'), 4);
});

test('before the names have come nothing is said, so that nobody remembers that a service is not there', async (t) => {
  const { proxy, port, upstream, count } = await Fixture.start(t);
  proxy.apply({ updated: [], removed: ['names'] });
  assert.equal(outcome(await ask(port, query('web'))), 'NXDOMAIN', 'no names are names too');
  const fresh = await DnsProxy.start({
    config: {
      listen: [{ host: '127.0.0.1', port: 0 }], resolvConf: '/dev/null', resolverPort: upstream.port,
      where: { namespace: 'default', domain: 'cluster.local' },
    },
    clock: systemClock, random: new PooledRandom(), stats: new Stats({ chunk: () => {}, register: () => {} }),
    log: new Logger('off').component('dns'),
  });
  t.after(() => fresh.stop());
  assert.equal(outcome(await ask(fresh.ports[0]!, query('web'))), 'SERVFAIL');
  assert.equal(count('before_names'), 0);
  const name = 'web.default.svc.cluster.local';
  fresh.apply({ updated: [{ name, resource: { nameInfo: NAMES.table![name]! } }], removed: [] });
  assert.deepEqual(said(decode(await ask(fresh.ports[0]!, query('web')))), ['A web 10.96.0.1'], 'one resource a name');
  assert.equal(outcome(await ask(fresh.ports[0]!, query('else.test'))), 'SERVFAIL', 'no resolvers are there');
});

test('S87 queries by the thousand are bounded: those beyond are refused at once', async (t) => {
  const { port, upstream, count } = await Fixture.start(t);
  upstream.answers.set('silent.test', 'silent');
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  let refused = 0;
  socket.on('message', (answer) => {
    if ((answer[3]! & 0xf) === 2) refused++;
  });
  for (let id = 0; count('overflow') === 0 && id < 20_000; id++) {
    socket.send(query('silent.test', 'A', 0, id & 0xffff), port, '127.0.0.1');
    if (id % 16 === 0) await nextTurn();
  }
  assert.equal(count('forwarded'), 1000);
  await until('the one beyond is answered', () => refused > 0);
});

test('S92 any bytes whatever: no throw, no answer to an answer, and the next query is answered', async (t) => {
  const seed = Math.trunc(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const draw = new Draw(seed);
  const { port, upstream } = await Fixture.start(t);
  upstream.answers.set('web.default.svc.cluster.local', 'silent');
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  let answersToAnswers = 0;
  socket.on('message', (answer) => {
    if (answer.length < 12 || answer[2]! < 0x80) answersToAnswers++;
  });
  const whole = query('web.default.svc.cluster.local', 'A', 1232);
  for (let cut = 0; cut < whole.length; cut++) socket.send(whole.subarray(0, cut), port, '127.0.0.1');
  for (let i = 0; i < 2000; i++) {
    const bytes = Buffer.from(whole);
    for (let n = 1 + draw.below(6); n > 0; n--) bytes[draw.below(bytes.length)] = draw.below(256);
    socket.send(bytes, port, '127.0.0.1');
    if (i % 16 === 0) await nextTurn();
  }
  assert.deepEqual(said(decode(await ask(port, query('web')))), ['A web 10.96.0.1']);
  assert.equal(answersToAnswers, 0);
  const [refusal] = await askByTcp(port, Buffer.concat([Buffer.from('123401000000000000000000', 'hex')]));
  assert.equal(outcome(refusal!), 'FORMERR');
});

test('a query of its own that is led back to it is not sent on for ever', async (t) => {
  // A "resolver" that is the proxy itself: what a redirection without its exception comes to.
  const { proxy, port } = await Fixture.start(t);
  const held = createServer().listen(0, '127.0.0.1');
  await once(held, 'listening');
  t.after(() => held.close());
  const stats = new Stats({ chunk: () => {}, register: () => {} });
  const folder = mkdtempSync(join(tmpdir(), 'weft-dns-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'resolv.conf'), 'nameserver 127.0.0.1\n');
  const { port: own } = held.address() as AddressInfo;
  held.close();
  const looped = await DnsProxy.start({
    config: {
      listen: [{ host: '127.0.0.1', port: own }], resolvConf: join(folder, 'resolv.conf'), resolverPort: own,
      where: { namespace: 'default', domain: 'cluster.local' },
    },
    clock: systemClock, random: new PooledRandom(), stats, log: new Logger('off').component('dns'),
  });
  t.after(() => looped.stop());
  looped.apply({ updated: [], removed: [] });
  assert.equal(outcome(await ask(own, query('round.test'))), 'SERVFAIL');
  assert.equal(counted(stats, 'own_queries'), 1);
  assert.equal(proxy.ports[0], port);
});
