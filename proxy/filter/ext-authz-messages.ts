// What is said to a gRPC authorization service and back (envoy.service.auth.v3), as protobuf.
import { isUtf8 } from 'node:buffer';
import protobuf from 'protobufjs/minimal.js';
import { asciiLower } from '../base/ascii.ts';
import type { RequestHead } from '../http/message.ts';
import { metadataAt } from '../telemetry/dynamic-metadata.ts';
import type { MetadataStruct } from '../telemetry/dynamic-metadata.ts';
import type { StreamInfo, TlsInfo } from '../telemetry/stream-info.ts';
import { emptyAnswer } from './ext-authz-answer.ts';
import type { AuthAnswer, HeaderWay, HeaderWord } from './ext-authz-answer.ts';
import type { CheckFacts } from './ext-authz-facts.ts';
import type { ExtAuthzSettings } from './ext-authz-settings.ts';
import { HEADER_VALUE, decodeWhole, number, readLatin1, readMessage, text } from './protobuf-fields.ts';
import type { Fields } from './protobuf-fields.ts';
import { readStruct, writeStruct } from './protobuf-struct.ts';

/** Texts of protobuf are UTF-8: bytes that are not become `!`, as in Envoy. */
function utf8(bytes: Buffer): Buffer {
  if (isUtf8(bytes)) return bytes;
  const clean = Buffer.from(bytes);
  for (let i = 0; i < clean.length; i++) if (clean[i]! > 0x7f) clean[i] = 0x21;
  return clean;
}

function put(writer: protobuf.Writer, field: number, value: string): void {
  if (value !== '') writer.uint32(text(field)).bytes(utf8(Buffer.from(value, 'latin1')));
}

function entry(writer: protobuf.Writer, field: number, name: string, value: string): void {
  writer.uint32(text(field)).fork();
  put(writer, 1, name);
  put(writer, 2, value);
  writer.ldelim();
}

/** CheckRequest. */
export function encodeCheck(
  request: RequestHead, info: StreamInfo, facts: CheckFacts, settings: ExtAuthzSettings,
): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32(text(1)).fork();
  writeSource(writer, request, info, settings);
  writeDestination(writer, info, settings);
  writer.uint32(text(4)).fork();
  writeTime(writer, info.startWallMs);
  writeHttp(writer, request, info, facts, settings);
  writer.ldelim();
  for (const [name, value] of facts.extensions) entry(writer, 10, latin1Of(name), latin1Of(value));
  writeContext(writer, info, settings.contextNamespaces);
  const { serverName } = info.connection;
  if (settings.tellsServerName && info.connection.tls !== undefined) {
    writer.uint32(text(12)).fork();
    put(writer, 1, serverName ?? '');
    writer.ldelim();
  }
  return writer.ldelim().finish();
}

function latin1Of(value: string): string {
  return Buffer.from(value).toString('latin1');
}

function writeSource(
  writer: protobuf.Writer, request: RequestHead, { connection }: StreamInfo, settings: ExtAuthzSettings,
): void {
  const { remoteIp, remotePort, tls } = connection;
  writer.uint32(text(1)).fork();
  writeAddress(writer, remoteIp, remotePort);
  put(writer, 2, request.headers.get('x-envoy-downstream-service-cluster') ?? '');
  put(writer, 4, peerName(tls));
  if (settings.tellsCertificate) put(writer, 5, encodeURIComponent(certificateOf(tls)));
  writer.ldelim();
}

function peerName(tls: TlsInfo | undefined): string {
  return tls?.peerUriSan ?? tls?.peerDnsSans[0] ?? tls?.peerSubject ?? '';
}

function certificateOf(tls: TlsInfo | undefined): string {
  return tls?.peerCertificates?.[0]?.toString() ?? '';
}

function writeDestination(writer: protobuf.Writer, { connection }: StreamInfo, { labels }: ExtAuthzSettings): void {
  writer.uint32(text(2)).fork();
  writeAddress(writer, connection.localIp, connection.localPort);
  for (let i = 0; i < labels.length; i += 2) entry(writer, 3, latin1Of(labels[i]!), latin1Of(labels[i + 1]!));
  put(writer, 4, connection.tls?.localUriSan ?? '');
  writer.ldelim();
}

/** Address.socket_address. */
function writeAddress(writer: protobuf.Writer, ip: string, port: number): void {
  writer.uint32(text(1)).fork().uint32(text(1)).fork();
  put(writer, 2, ip);
  writer.uint32(number(3)).uint32(port).ldelim().ldelim();
}

function writeTime(writer: protobuf.Writer, wallMs: number): void {
  const seconds = Math.floor(wallMs / 1000);
  writer.uint32(text(1)).fork().uint32(number(1)).int64(seconds)
    .uint32(number(2)).int32(Math.floor((wallMs - seconds * 1000) * 1e6)).ldelim();
}

/** AttributeContext.HttpRequest. */
function writeHttp(
  writer: protobuf.Writer, request: RequestHead, info: StreamInfo, { headers, body }: CheckFacts,
  { rawHeaders, body: wish }: ExtAuthzSettings,
): void {
  writer.uint32(text(2)).fork();
  put(writer, 1, info.requestId);
  put(writer, 2, request.method);
  if (rawHeaders) writeRawHeaders(writer, headers);
  else for (let i = 0; i < headers.length; i += 2) entry(writer, 3, headers[i]!, headers[i + 1]!);
  put(writer, 4, request.path);
  put(writer, 5, request.authority);
  put(writer, 6, request.scheme);
  if (info.bytesReceived > 0) writer.uint32(number(9)).int64(info.bytesReceived);
  put(writer, 10, request.protocol);
  if (body !== undefined && wish?.asBytes === true) writer.uint32(text(12)).bytes(body);
  else if (body !== undefined) writer.uint32(text(11)).bytes(utf8(body));
  writer.ldelim();
}

/** HeaderMap. */
function writeRawHeaders(writer: protobuf.Writer, headers: readonly string[]): void {
  writer.uint32(text(13)).fork();
  for (let i = 0; i < headers.length; i += 2) {
    writer.uint32(text(1)).fork();
    put(writer, 1, headers[i]!);
    writer.uint32(text(3)).bytes(Buffer.from(headers[i + 1]!, 'latin1')).ldelim();
  }
  writer.ldelim();
}

/** Metadata.filter_metadata. */
function writeContext(writer: protobuf.Writer, info: StreamInfo, namespaces: readonly string[]): void {
  writer.uint32(text(11)).fork();
  for (const namespace of namespaces) {
    const values = metadataAt(info, namespace, []);
    if (values === undefined) continue;
    writer.uint32(text(1)).fork();
    put(writer, 1, latin1Of(namespace));
    writer.uint32(text(2)).fork();
    writeStruct(writer, values as MetadataStruct);
    writer.ldelim().ldelim();
  }
  writer.ldelim();
  // Metadata of the route, of which none is kept; Envoy sends an empty one too.
  writer.uint32(text(13)).fork().ldelim();
}

// --- the answer

interface Option {
  readonly pair: [string, string];
  /** HeaderValueOption.append. */
  append: boolean;
  action: number;
}

const OPTION: Fields<Option> = {
  [text(1)]: (reader, into) => readMessage<[string, string]>(reader, into.pair, HEADER_VALUE),
  [text(2)]: (reader, into) => readMessage(reader, into, { [number(1)]: (inner, of) => (of.append = inner.bool()) }),
  [number(3)]: (reader, into) => (into.action = reader.int32()),
};

function readOption(reader: protobuf.Reader, into: HeaderWord[], wayOf: (option: Option) => HeaderWay): void {
  const option = readMessage<Option>(reader, { pair: ['', ''], append: false, action: 0 }, OPTION);
  const [name, value] = option.pair;
  if (name !== '') into.push({ name: asciiLower(name), value, way: wayOf(option) });
}

/** Of requests and denials `append` says whether they are appended; its default is not. */
const byAppend = ({ append }: Option): HeaderWay => (append ? 'append' : 'set');

/** HeaderValueOption.HeaderAppendAction. */
const ACTIONS: readonly HeaderWay[] = ['set', 'ifAbsent', 'set', 'ifPresent'];
const byAction = ({ append, action }: Option): HeaderWay => (append ? 'add' : ACTIONS[action] ?? 'set');

const STATUS_CODE: Fields<AuthAnswer> = {
  [number(1)]: (reader, into) => {
    const code = reader.int32();
    if (code > 0) into.status = code;
  },
};

const DENIED: Fields<AuthAnswer> = {
  [text(1)]: (reader, into) => readMessage(reader, into, STATUS_CODE),
  [text(2)]: (reader, into) => readOption(reader, into.headers, byAppend),
  [text(3)]: (reader, into) => (into.body = readLatin1(reader)),
};

const QUERY_PARAMETER: Fields<[string, string]> = {
  [text(1)]: (reader, into) => (into[0] = readLatin1(reader)),
  [text(2)]: (reader, into) => (into[1] = readLatin1(reader)),
};

const OK: Fields<AuthAnswer> = {
  [text(2)]: (reader, into) => readOption(reader, into.headers, byAppend),
  [text(3)]: (reader, into) => (into.metadata = readStruct(reader)),
  [text(5)]: (reader, into) => into.removed.push(readLatin1(reader)),
  [text(6)]: (reader, into) => readOption(reader, into.responseHeaders, byAction),
  [text(7)]: (reader, into) => into.querySet.push(...readMessage<[string, string]>(reader, ['', ''], QUERY_PARAMETER)),
  [text(8)]: (reader, into) => into.queryRemoved.push(readLatin1(reader)),
};

/** What stands in the half of the answer that its status does not speak of is not heard. */
interface Halves {
  code: number;
  readonly ok: AuthAnswer;
  readonly denied: AuthAnswer;
  metadata: MetadataStruct | undefined;
}

const ANSWER: Fields<Halves> = {
  [text(1)]: (reader, into) => readMessage(reader, into, { [number(1)]: (inner, of) => (of.code = inner.int32()) }),
  [text(2)]: (reader, into) => readMessage(reader, into.denied, DENIED),
  [text(3)]: (reader, into) => readMessage(reader, into.ok, OK),
  [text(4)]: (reader, into) => (into.metadata = readStruct(reader)),
};

/** CheckResponse; undefined for bytes that are none. */
export function decodeCheck(message: Buffer): AuthAnswer | undefined {
  const halves = decodeWhole<Halves>(message,
    { code: 0, ok: emptyAnswer(), denied: emptyAnswer(), metadata: undefined }, ANSWER);
  if (halves === undefined) return undefined;
  const answer = halves.code === 0 ? halves.ok : halves.denied;
  answer.allows = halves.code === 0;
  answer.metadata ??= halves.metadata;
  return answer;
}
