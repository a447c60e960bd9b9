// Generated session cookies, good and spoilt: weft understands those that a real Envoy does, and as the same endpoint.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../proxy/base/random.ts';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const skip = reasonToSkip(findEnvoy(false));
const TYPE = 'type.googleapis.com/envoy.extensions';
const COOKIE = { '@type': `${TYPE}.http.stateful_session.cookie.v3.CookieBasedSessionState`, cookie: { name: 'sid' } };
const FILTER = { '@type': `${TYPE}.filters.http.stateful_session.v3.StatefulSession`, strict: true,
  session_state: { name: 'envoy.http.stateful_session.cookie', typed_config: COOKIE } };

/** Draws cookies: a message of fields in any order, then perhaps cut, changed or written otherwise. */
class Cookies {
  readonly #random: SeededRandom;
  readonly #addresses: readonly string[];

  constructor(random: SeededRandom, addresses: readonly string[]) {
    this.#random = random;
    this.#addresses = addresses;
  }

  next(): string {
    const fields = Array.from({ length: 1 + this.#below(3) }, () => this.#field());
    const bytes = this.#spoilt(this.#chance(0.8) ? Buffer.concat(fields) : Buffer.from(this.#address(), 'latin1'));
    const text = bytes.toString(this.#chance(0.9) ? 'base64' : 'base64url');
    if (this.#chance(0.1)) return text.slice(0, this.#below(text.length + 1));
    return this.#chance(0.1) ? `"${text}"` : text;
  }

  #field(): Buffer {
    const kind = this.#below(10);
    if (kind < 6) {
      const address = Buffer.from(this.#address(), 'latin1');
      return Buffer.from([0x0a, address.length, ...address]);
    }
    const now = Math.floor(Date.now() / 1000);
    if (kind < 8) return Buffer.from([0x10, ...varint([0, 1, now - 1000, now + 1000, 2 ** 50][this.#below(5)]!)]);
    const tag = this.#below(128);
    return Buffer.from([tag, ...Array.from({ length: this.#below(10) }, () => this.#below(256))]);
  }

  #spoilt(bytes: Buffer): Buffer {
    if (this.#chance(0.1)) return bytes.subarray(0, this.#below(bytes.length + 1));
    if (this.#chance(0.2) && bytes.length > 0) bytes[this.#below(bytes.length)] = this.#below(256);
    return bytes;
  }

  #address(): string {
    return this.#addresses[this.#below(this.#addresses.length)]!;
  }

  #chance(share: number): boolean {
    return this.#random.float() < share;
  }

  #below(limit: number): number {
    return Math.floor(this.#random.float() * limit);
  }
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

test(`generated cookies lead where Envoy sends them (seed ${SEED})`, { skip }, async () => {
  await using one = await EchoServer.start('one');
  await using two = await EchoServer.start('two');
  const listener = httpListener([routeTo('a')], { http_filters: [{ name: 's', typed_config: FILTER }] });
  const bootstrap = bootstrapOf([listener], [staticCluster('a', [one.port, two.port])]);
  await using envoy = await ProxyProcess.start('envoy', bootstrap);
  await using weft = await ProxyProcess.start('weft', bootstrap);
  /** The server of the session, `new` for a session that begins, or the status of a refusal. */
  const result = async (proxy: ProxyProcess, sid: string): Promise<string> => {
    const headers = [['cookie', `sid=${sid}`]] as const;
    const answer = await exchange(proxy.port('http'), requestText({ path: '/', headers }));
    if (answer.status !== 200) return `${answer.status} ${answer.body}`;
    return answer.headers.some(([name]) => name === 'set-cookie') ? 'new' : (JSON.parse(answer.body) as Echo).server;
  };
  const cookies = new Cookies(new SeededRandom(SEED),
    [`127.0.0.1:${one.port}`, `127.0.0.1:${two.port}`, '127.0.0.1:9', '', '\u00e9:80']);
  const problems: string[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < 1000; i++) {
    const sid = cookies.next();
    const [theirs, ours] = [await result(envoy, sid), await result(weft, sid)];
    seen.add(theirs);
    const hex = Buffer.from(sid, 'base64').toString('hex');
    if (ours !== theirs) problems.push(`${sid} (${hex}): ${theirs}, weft ${ours}`);
  }
  assert.deepEqual(problems, []);
  assert.deepEqual([...seen].toSorted(), ['503 no healthy upstream', 'new', 'one', 'two']);
});
