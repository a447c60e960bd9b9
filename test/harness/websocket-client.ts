// A WebSocket client over bare sockets (RFC 6455): frames go out exactly as the test says, and come back as they came.
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { FrameReader, acceptOf, describeFrame, encodeFrame } from './websocket-frames.ts';
import type { Frame } from './websocket-frames.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ZERO_MASK = Buffer.alloc(4);

export interface WebSocketAddress {
  readonly port: number;
  /** The root to trust: over TLS. */
  readonly ca?: string;
}

export class RawWebSocket {
  readonly socket: Socket;
  /** The response's head. */
  head = '';
  /** Frames as describeFrame has them, and `end` after the last. */
  readonly seen: string[] = [];
  #waiting: (() => void) | undefined = undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.once('end', () => this.#saw('end'));
    socket.once('close', () => this.#waiting?.());
  }

  /** `early` is sent in one piece with the request. */
  static async open(
    { port, ca }: WebSocketAddress, path: string, early: Buffer = Buffer.alloc(0),
  ): Promise<RawWebSocket> {
    const to = { port, host: '127.0.0.1' };
    const socket = ca === undefined ? connect(to)
      : tlsConnect({ ...to, ca, servername: 'localhost', ALPNProtocols: ['http/1.1'] });
    const client = new RawWebSocket(socket);
    const request = `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n`
      + `sec-websocket-version: 13\r\nsec-websocket-key: ${KEY}\r\n\r\n`;
    await once(socket, ca === undefined ? 'connect' : 'secureConnect');
    socket.write(Buffer.concat([Buffer.from(request), early]));
    await client.#readHead();
    return client;
  }

  get accepted(): boolean {
    return this.head.startsWith('HTTP/1.1 101 ') && this.head.includes(acceptOf(KEY));
  }

  send(frame: Frame, key = Buffer.from('\u0001\u0002\u0003\u0004')): void {
    this.socket.write(encodeFrame(frame, key));
  }

  /** Bulk: a mask of zeros costs nothing. False while the socket is full. */
  sendBulk(frame: Frame): boolean {
    return this.socket.write(encodeFrame(frame, ZERO_MASK));
  }

  /** Resolves when so many frames (or the end) were seen, or nothing more can come. */
  async frames(count: number): Promise<readonly string[]> {
    while (this.seen.length < count && !this.socket.destroyed) {
      await new Promise<void>((resolve) => (this.#waiting = resolve));
    }
    return this.seen;
  }

  close(): void {
    this.socket.destroy();
  }

  async #readHead(): Promise<void> {
    let bytes = Buffer.alloc(0);
    const done = Promise.withResolvers<void>();
    const frames = new FrameReader((frame) => this.#saw(describeFrame(frame)));
    const read = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf('\r\n\r\n');
      if (end === -1) return;
      this.socket.off('data', read);
      this.head = bytes.subarray(0, end).toString('latin1');
      if (this.accepted) this.socket.on('data', (more: Buffer) => frames.feed(more));
      frames.feed(this.accepted ? bytes.subarray(end + 4) : Buffer.alloc(0));
      done.resolve();
    };
    this.socket.on('data', read);
    this.socket.once('close', () => done.reject(new Error('closed before the response')));
    await done.promise;
  }

  #saw(what: string): void {
    this.seen.push(what);
    this.#waiting?.();
  }
}
