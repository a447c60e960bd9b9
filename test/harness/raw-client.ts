// One HTTP/1.1 exchange on a connection of its own, with exactly the bytes that the test gives;
// the answer parsed plainly.
import { connect } from 'node:net';

/** An answer: header names lower-case in order, repeated ones as they came; the body de-chunked, latin1. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  /** The server closed the connection by itself. */
  readonly closed: boolean;
}

/** A request as text; `body` is sent with a content-length unless the headers say otherwise. */
export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  readonly host?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
}

export function requestText({ method = 'GET', path, host = 'localhost', headers = [], body }: RawRequest): string {
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`;
  for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
  if (body !== undefined && !headers.some(([name]) => name === 'transfer-encoding' || name === 'content-length')) {
    text += `content-length: ${body.length}\r\n`;
  }
  return `${text}\r\n${body ?? ''}`;
}

/** Sends the bytes and resolves with the first final answer; rejects when nothing whole comes within `timeoutMs`. */
export function exchange(port: number, bytes: string, head = false, timeoutMs = 10_000): Promise<RawAnswer> {
  const socket = connect({ port, host: '127.0.0.1' });
  let received = '';
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      socket.destroy();
      reject(new Error(`${why}; received: ${JSON.stringify(received.slice(0, 500))}`));
    };
    const timer = setTimeout(() => fail(`no whole answer within ${timeoutMs} ms`), timeoutMs);
    const take = (closed: boolean): void => {
      const answer = parseAnswer(received, head, closed);
      if (answer === undefined && !closed) return;
      clearTimeout(timer);
      if (answer === undefined) fail('the connection closed without a whole answer');
      else resolve(answer);
      socket.destroy();
    };
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      take(false);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => take(true));
    socket.on('end', () => take(true));
    socket.write(bytes, 'latin1');
  });
}

function parseAnswer(text: string, headOnly: boolean, closed: boolean): RawAnswer | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n');
  const status = Number(statusLine.split(' ')[1]);
  if (status >= 100 && status < 200 && status !== 101) return parseAnswer(text.slice(end + 4), headOnly, closed);
  const headers = lines.map(
    (line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const,
  );
  const valueOf = (name: string): string | undefined => headers.find(([key]) => key === name)?.[1];
  const rest = text.slice(end + 4);
  const answer = (body: string): RawAnswer => ({ status, headers, body, closed });
  if (headOnly || status === 204 || status === 304 || status === 101) return answer('');
  if (valueOf('transfer-encoding') === 'chunked') {
    const body = dechunk(rest);
    return body === undefined ? undefined : answer(body);
  }
  const length = valueOf('content-length');
  if (length === undefined) return closed ? answer(rest) : undefined;
  return rest.length < Number(length) ? undefined : answer(rest.slice(0, Number(length)));
}

/** The data of a whole chunked body, or undefined while its end has not come. */
function dechunk(text: string): string | undefined {
  let body = '';
  let at = 0;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (size === 0) {
      return text.indexOf('\r\n\r\n', lineEnd) === -1 && !text.startsWith('\r\n', lineEnd + 2) ? undefined : body;
    }
    if (text.length < lineEnd + 2 + size + 2) return undefined;
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
