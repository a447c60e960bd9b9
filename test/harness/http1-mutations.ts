// Messages that are nearly right: valid ones with a few bytes put in, taken out or replaced, from a seed.
import type { SeededRandom } from '../../proxy/base/random.ts';

const REQUESTS = [
  'GET /a HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n',
  'POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello',
  'POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n2\r\nxy\r\n0\r\nx-t: 1\r\n\r\n',
  'PUT /a?b HTTP/1.1\r\nHost: a:80\r\nTransfer-Encoding: chunked\r\nConnection: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'GET /a HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  'CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n',
  'POST /a HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\ncontent-length: 3\r\n\r\nabc',
  'POST /a HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc',
  'GET http://a/b?c=d HTTP/1.1\r\nhost: a\r\naccept: */*\r\ncookie: a=b; c\r\n\r\n',
  'POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\ncontent-length: 3\r\nx-u: 1\r\n\r\n',
  'DELETE /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
];

const RESPONSES = [
  'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n2\r\nxy\r\n0\r\nx-t: 1\r\n\r\n',
  'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\ncontent-length: 3\r\nx-u: 1\r\n\r\n',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a b\r\nhi\r\n0\r\n\r\n',
  'HTTP/1.1 204 No Content\r\nset-cookie: a=b\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\netag: "x"\r\n\r\n',
  'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil the end',
  'HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nabc',
  'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi',
  'HTTP/1.1 103 Early Hints\r\nconnection: close\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi',
  'HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
];

/** What is put in: bytes that end, hide or split things, and whole fields and messages. */
const PIECES = ['\r', '\n', '\r\n', '\0', ' ', '\t', ':', '0', '5', 'f', ';', '=', '"', '\\', '\x7f', '\xff', '\x0b',
  'chunked', 'content-length: 3\r\n', 'Content-Length: 0\r\n', 'transfer-encoding: chunked\r\n', 'x\r\n', ',',
  'transfer-encoding: identity\r\n', 'host: b\r\n', 'HTTP/1.0', '\r\n\r\n', '_', '-', '+', '#', 'connection: close\r\n',
  'GET / HTTP/1.1\r\nhost: a\r\n\r\n', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', 'upgrade: h2c\r\n', ' \r\n',
  'connection: upgrade\r\n', '0\r\n\r\n', '0x5', '5;x\r\n', 'te: trailers\r\n'];

export class Mutations {
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  #below(limit: number): number {
    return Math.floor(this.#random.float() * limit);
  }

  #one<T>(all: readonly T[]): T {
    return all[this.#below(all.length)]!;
  }

  /** One or two requests, one to three bytes or pieces of them changed. */
  requests(): string {
    let text = '';
    for (let left = 1 + this.#below(2); left > 0; left--) text += this.#one(REQUESTS);
    return this.#changed(text);
  }

  /** As requests, for one response that is perhaps cut. */
  response(): string {
    const text = this.#changed(this.#one(RESPONSES));
    return this.#below(3) === 0 ? text.slice(0, this.#below(text.length)) : text;
  }

  #changed(original: string): string {
    let text = original;
    for (let left = 1 + this.#below(3); left > 0; left--) {
      const at = this.#below(text.length + 1);
      const piece = this.#one(PIECES);
      const kind = this.#below(3);
      if (kind === 0) text = text.slice(0, at) + piece + text.slice(at);
      else if (kind === 1) text = text.slice(0, at) + text.slice(at + 1 + this.#below(3));
      else text = text.slice(0, at) + piece + text.slice(at + 1);
    }
    return text;
  }
}
