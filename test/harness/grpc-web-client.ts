// A gRPC-Web client by hand over undici: what a browser's library sends, and how it reads what comes back.
import { request } from 'undici';
import { grpcFrame } from './grpc-upstream.ts';

export const WEB = 'application/grpc-web+proto';
export const WEB_TEXT = 'application/grpc-web-text';

export interface WebCall {
  readonly path: string;
  readonly message?: Buffer;
  /** The request is base64, the answer too, or both. */
  readonly text?: 'request' | 'answer' | 'both';
  readonly headers?: Readonly<Record<string, string>>;
  /** In place of the message: bytes as they are. */
  readonly raw?: string;
}

export interface WebAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** As it came. */
  readonly body: Buffer;
  /** Messages, and the fields of the last one when it holds trailers. */
  readonly messages: readonly Buffer[];
  readonly trailers: Readonly<Record<string, string>>;
}

export async function webCall(port: number, call: WebCall): Promise<WebAnswer> {
  const { path, message = Buffer.alloc(0), text, headers = {}, raw } = call;
  const asText = text === 'request' || text === 'both';
  const frame = grpcFrame(message);
  const answer = await request(`http://127.0.0.1:${port}${path}`, {
    method: 'POST', body: raw ?? (asText ? frame.toString('base64') : frame),
    headers: {
      'content-type': asText ? WEB_TEXT : WEB, 'x-grpc-web': '1',
      ...(text === 'answer' || text === 'both' ? { accept: WEB_TEXT } : {}), ...headers,
    },
  });
  const body = Buffer.from(await answer.body.arrayBuffer());
  const isText = String(answer.headers['content-type']).startsWith(WEB_TEXT);
  return { status: answer.statusCode, headers: answer.headers, body, ...framesOf(isText ? fromText(body) : body) };
}

/** Base64 that may be padded wherever a message ends. */
export function fromText(body: Buffer): Buffer {
  const groups = body.toString('latin1').match(/[^=]*={0,2}/g) ?? [];
  return Buffer.concat(groups.map((group) => Buffer.from(group, 'base64')));
}

function framesOf(bytes: Buffer): Pick<WebAnswer, 'messages' | 'trailers'> {
  const messages: Buffer[] = [];
  let trailers: Record<string, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    const message = bytes.subarray(at + 5, end);
    if (bytes[at] === 0x80) trailers = fieldsOf(message.toString('latin1'));
    else messages.push(message);
    at = end;
  }
  return { messages, trailers };
}

function fieldsOf(lines: string): Record<string, string> {
  return Object.fromEntries(lines.split('\r\n').slice(0, -1).map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  }));
}
