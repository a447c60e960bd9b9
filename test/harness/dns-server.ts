// A DNS server by UDP and TCP on one port, on loopback unless told otherwise: says of each name what the test wants,
// right or wrong.
import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv4 } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** `ttl` in seconds, 60 by default. */
export interface DnsRecords {
  readonly addresses: readonly string[];
  readonly ttl?: number;
}

/** Addresses by their text; `cname` in place of them; an error by its name; or what no server should say. */
export type DnsAnswer =
  | DnsRecords
  | { readonly cname: string }
  | 'nxdomain' | 'servfail' | 'silent' | 'garbage' | 'other-id' | 'other-question';

const TYPE_A = 1;
const TYPE_CNAME = 5;
const RCODES = { servfail: 2, nxdomain: 3 } as const;
const UDP_BYTES_MAX = 512;

export class DnsServer implements AsyncDisposable {
  readonly answers = new Map<string, DnsAnswer>();
  /** Questions as they came: `A name`. */
  readonly asked: string[] = [];
  readonly #udp: UdpSocket = createSocket('udp4');
  readonly #tcp: Server = createServer((socket) => this.#serveTcp(socket));

  static async start(host = '127.0.0.1', port = 0): Promise<DnsServer> {
    const server = new DnsServer();
    server.#tcp.listen(port, host);
    await once(server.#tcp, 'listening');
    server.#udp.on('message', (message, peer) => {
      const answer = server.#answer(message);
      if (answer === undefined) return;
      const cut = answer.length > UDP_BYTES_MAX ? truncated(answer, message.length) : answer;
      server.#udp.send(cut, peer.port, peer.address);
    });
    server.#udp.bind(server.port, host);
    await once(server.#udp, 'listening');
    return server;
  }

  get port(): number {
    return (this.#tcp.address() as AddressInfo).port;
  }

  /** Questions about a name so far. */
  count(name: string): number {
    return this.asked.filter((question) => question.endsWith(` ${name}`)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp.close();
    this.#tcp.close();
  }

  #serveTcp(socket: Socket): void {
    socket.on('error', () => {}).on('data', (chunk: Buffer) => {
      const answer = this.#answer(chunk.subarray(2));
      if (answer === undefined) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      socket.end(Buffer.concat([length, answer]));
    });
  }

  #answer(query: Buffer): Buffer | undefined {
    const { name, type, end } = questionOf(query);
    this.asked.push(`${type === TYPE_A ? 'A' : 'AAAA'} ${name}`);
    const answer = this.answers.get(name) ?? 'nxdomain';
    if (answer === 'silent') return undefined;
    if (answer === 'garbage') return Buffer.concat([query.subarray(0, 2), Buffer.from('8180ffffffff', 'hex')]);
    const question = query.subarray(12, end);
    if (answer === 'nxdomain' || answer === 'servfail') return message(query, RCODES[answer], question, []);
    if (answer === 'other-id') {
      const reply = message(query, 0, question, [record(name, type, 60, rdata('127.0.0.9'))]);
      reply.writeUInt16BE(query.readUInt16BE(0) ^ 0xffff);
      return reply;
    }
    if (answer === 'other-question') {
      const other = Buffer.concat([encodeName('other.example'), query.subarray(end - 4, end)]);
      return message(query, 0, other, [record('other.example', type, 60, rdata('127.0.0.9'))]);
    }
    if ('cname' in answer) {
      return message(query, 0, question, [record(name, TYPE_CNAME, 60, encodeName(answer.cname))]);
    }
    const { addresses, ttl = 60 } = answer;
    const fitting = addresses.filter((address) => isIPv4(address) === (type === TYPE_A));
    return message(query, 0, question, fitting.map((address) => record(name, type, ttl, rdata(address))));
  }
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  // Peers may write names in mixed case, against forgeries.
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function message(query: Buffer, rcode: number, question: Buffer, records: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(query.readUInt16BE(0), 0);
  head.writeUInt16BE(0x8580 | rcode, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  return Buffer.concat([head, question, ...records]);
}

/** The head and question alone, with the flag that says so. */
function truncated(answer: Buffer, queryLength: number): Buffer {
  const head = Buffer.from(answer.subarray(0, Math.min(queryLength, UDP_BYTES_MAX)));
  const question = questionOf(head);
  const cut = Buffer.from(head.subarray(0, question.end));
  cut.writeUInt16BE(cut.readUInt16BE(2) | 0x0200, 2);
  cut.writeUInt16BE(0, 6);
  return cut;
}

function record(name: string, type: number, ttl: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttl, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([encodeName(name), fixed, data]);
}

/** IPv6 in full: eight groups. */
function rdata(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  return Buffer.from(address.split(':').map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.of(0)]);
}
