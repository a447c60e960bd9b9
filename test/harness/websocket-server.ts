// A WebSocket server over bare sockets (RFC 6455): it mirrors frames, so that a proxy's changes would show.
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { CLOSE, FrameReader, PING, PONG, TEXT, acceptOf, closePayload, encodeFrame } from './websocket-frames.ts';
import type { Frame } from './websocket-frames.ts';

/**
 * Paths: /echo mirrors every frame, answers pings and tells of pongs; /greet sends a text together with the 101;
 * /close?CODE&REASON closes at once; /drop ends without a close frame on the first frame; /refuse answers 403; /wrong
 * has read another key; /page answers 200; /count reads only when `reading` is true and answers every frame with its
 * length; /flood sends `flood`.
 */
export class WebSocketServer implements AsyncDisposable {
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => this.#accept(socket));
  #reading = true;
  #flooding: Socket | undefined = undefined;
  /** Frames for /flood, all at once. */
  flood: readonly Frame[] = [];

  static async start(): Promise<WebSocketServer> {
    const started = new WebSocketServer();
    started.#server.listen(0, '127.0.0.1');
    await once(started.#server, 'listening');
    return started;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that the server still has. */
  get open(): number {
    return this.#sockets.size;
  }

  /** For connections to /count, at once and later. */
  set reading(reading: boolean) {
    this.#reading = reading;
    if (reading) for (const socket of this.#sockets) socket.resume();
  }

  /** Bytes of the last flood that the system took. */
  get flooded(): number {
    return this.#flooding === undefined ? 0 : this.#flooding.bytesWritten - this.#flooding.writableLength;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
    let head = '';
    const read = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) return;
      socket.off('data', read);
      this.#shakeHands(socket, head.slice(0, end), Buffer.from(head.slice(end + 4), 'latin1'));
    };
    socket.on('data', read);
  }

  #shakeHands(socket: Socket, head: string, rest: Buffer): void {
    const path = head.split(' ')[1]!;
    const field = (name: string): string | undefined => new RegExp(`^${name}: *(.*)$`, 'im').exec(head)?.[1];
    if (path === '/refuse') {
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno');
      return;
    }
    if (path === '/page') {
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno');
      return;
    }
    const key = field('sec-websocket-key');
    if (key === undefined) {
      socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 6\r\n\r\nno key');
      return;
    }
    const offered = field('sec-websocket-protocol')?.split(/, */)[0];
    const accept = acceptOf(path === '/wrong' ? `${key}?` : key);
    const protocol = offered === undefined ? '' : `sec-websocket-protocol: ${offered}\r\n`;
    const answer = `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n`
      + `sec-websocket-accept: ${accept}\r\n${protocol}\r\n`;
    const greeting = path === '/greet' ? encodeFrame({ opcode: TEXT, payload: Buffer.from('welcome') }) : '';
    socket.write(Buffer.concat([Buffer.from(answer), Buffer.from(greeting)]));
    this.#serve(socket, path, rest);
  }

  #serve(socket: Socket, path: string, rest: Buffer): void {
    if (path.startsWith('/close')) sendClose(socket, new URLSearchParams(path.slice(path.indexOf('?'))));
    if (path === '/flood') {
      this.#flooding = socket;
      for (const frame of this.flood) socket.write(encodeFrame(frame));
    }
    const frames = new FrameReader((frame) => serveFrame(socket, path, frame));
    frames.feed(rest);
    socket.on('data', (chunk: Buffer) => frames.feed(chunk));
    if (path === '/count' && !this.#reading) socket.pause();
  }
}

function sendClose(socket: Socket, query: URLSearchParams): void {
  const code = query.get('code');
  const payload = closePayload(code === null ? undefined : Number(code), query.get('reason') ?? '');
  socket.write(encodeFrame({ opcode: CLOSE, payload }));
}

function serveFrame(socket: Socket, path: string, frame: Frame): void {
  if (path === '/drop') return socket.destroySoon();
  if (frame.opcode === CLOSE) {
    // The second close frame of a handshake ends the connection (7.1.1).
    socket.end(path.startsWith('/close') ? Buffer.alloc(0) : encodeFrame(frame));
    return;
  }
  socket.write(encodeFrame(answerTo(path, frame)));
}

function answerTo(path: string, frame: Frame): Frame {
  const { opcode, payload } = frame;
  if (path === '/count') return { opcode: TEXT, payload: Buffer.from(String(payload.length)) };
  if (opcode === PING) return { opcode: PONG, payload };
  if (opcode === PONG) return { opcode: TEXT, payload: Buffer.concat([Buffer.from('pong '), payload]) };
  return frame;
}
