// What HPACK costs without sockets: header blocks decoded and encoded, first and steady. Prints ns a block.
import { ByteBuffer } from '../../proxy/base/byte-buffer.ts';
import type { FieldSink } from '../../proxy/http/hpack-decoder.ts';
import { HpackDecoder } from '../../proxy/http/hpack-decoder.ts';
import { HpackEncoder } from '../../proxy/http/hpack-encoder.ts';
import { encodeHuffman, huffmanBytes } from '../../proxy/http/hpack-huffman.ts';
import { STATIC_TABLE } from '../../proxy/http/hpack-static-table.ts';

const ROUNDS = 9;

type Fields = readonly (readonly [string, string])[];

const BROWSER: Fields = [
  [':method', 'GET'], [':authority', 'productpage.example.com'], [':scheme', 'https'],
  [':path', '/productpage?u=normal'],
  ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36'],
  ['accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'],
  ['accept-encoding', 'gzip, deflate, br, zstd'], ['accept-language', 'en-US,en;q=0.5'],
  ['cookie', 'session=eyJ1c2VyIjoibm9ybWFsIn0; theme=dark; consent=abcdefghijklmnop'],
  ['sec-fetch-dest', 'document'], ['sec-fetch-mode', 'navigate'], ['sec-fetch-site', 'none'],
  ['upgrade-insecure-requests', '1'], ['priority', 'u=0, i'],
];
/** As a sidecar sends it on: `{n}` is another number each time. */
const GATEWAY: Fields = [
  ...BROWSER.slice(0, 3), [':path', '/api/v1/products/{n}/reviews'], ...BROWSER.slice(4, 9),
  ['x-forwarded-for', '10.244.1.17'], ['x-forwarded-proto', 'https'],
  ['x-request-id', '8f3f5c1e-2f8a-4f9b-9a39-8d2a{n}'],
  ['traceparent', '00-463ac35c9f6413ad48485a39{n}-a2fb4a1d1a96d312-01'],
  ['x-envoy-attempt-count', '1'], ['x-forwarded-client-cert', `By=spiffe://cluster.local/ns/default/sa/reviews;Hash=${
    '0123456789abcdef'.repeat(4)};Subject="";URI=spiffe://cluster.local/ns/istio-system/sa/ingressgateway`],
];
const GRPC: Fields = [
  [':method', 'POST'], [':scheme', 'http'], [':path', '/hipstershop.CartService/GetCart'],
  [':authority', 'cartservice:7070'], ['content-type', 'application/grpc'], ['user-agent', 'grpc-go/1.65.0'],
  ['te', 'trailers'], ['grpc-accept-encoding', 'gzip'], ['x-forwarded-proto', 'http'], ['x-envoy-attempt-count', '1'],
];
const GRPC_TRACED: Fields = [...GRPC, ['grpc-timeout', '{n}u'], ['x-request-id', '8f3f5c1e-2f8a-4f9b-9a39-8d2a{n}'],
  ['traceparent', '00-463ac35c9f6413ad48485a39{n}-a2fb4a1d1a96d312-01']];
const RESPONSE: Fields = [[':status', '200'], ['content-type', 'application/json'],
  ['date', 'Mon, 23 Nov 2026 05:00:00 GMT'], ['server', 'istio-envoy'], ['content-length', '{n}'],
  ['x-envoy-upstream-service-time', '{n}']];
const GRPC_RESPONSE: Fields = [[':status', '200'], ['content-type', 'application/grpc'], ['server', 'istio-envoy'],
  ['date', 'Mon, 23 Nov 2026 05:00:00 GMT']];
const GRPC_TRAILERS: Fields = [['grpc-status', '0'], ['grpc-message', '']];

class CountingSink implements FieldSink {
  bytes = 0;
  kinds = 0;
  onField(name: string, value: string, kind: number, size: number): void {
    if (name !== value) this.bytes += size;
    this.kinds += kind;
  }
}

const sink = new CountingSink();

/** The best of several rounds, of which each begins with what `prepare` makes. */
function measure(name: string, times: number, prepare: () => (i: number) => void): void {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const run = prepare();
    const start = process.hrtime.bigint();
    for (let i = 0; i < times; i++) run(i);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / times);
  }
  process.stdout.write(`${name.padEnd(56)} ${best.toFixed(0).padStart(8)} ns/block\n`);
}

/** The number of fields' variants: numbers don't come back soon. */
const VARIANTS = 2048;

/** Fields whose strings are new objects, as a parser makes them, in each variant where they hold a number. */
function variants(fields: Fields): Fields[] {
  return Array.from({ length: VARIANTS }, (_, i) => fields.map(([name, value]) => [name, value.includes('{n}')
    ? Buffer.from(value.replace('{n}', String(10_000_000 + i * 7919))).toString('latin1') : value] as const));
}

function write(encoder: HpackEncoder, out: ByteBuffer, fields: Fields): void {
  encoder.begin(out);
  for (const [name, value] of fields) encoder.field(out, name, value);
}

/** Blocks of our own encoder on one connection, after the first ones. */
function blocks(fields: Fields): [Buffer[], Buffer[]] {
  const encoder = new HpackEncoder();
  const made = [...variants(fields).slice(-3), ...variants(fields)].map((each) => {
    const out = new ByteBuffer();
    write(encoder, out, each);
    return out.take();
  });
  return [made.slice(0, 3), made.slice(3)];
}

/** As most peers write a field of their first request: indexed, and Huffman-coded. */
function indexing(fields: Fields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => {
    const exact = STATIC_TABLE.findIndex((entry, i) => i > 0 && entry.name === name && entry.value === value);
    if (exact !== -1) return [Buffer.from([0x80 | exact])];
    const index = Math.max(STATIC_TABLE.findIndex((entry) => entry.name === name), 0);
    return [Buffer.from([0x40 | index]), ...(index === 0 ? [coded(name)] : []), coded(value)];
  }));
}

function coded(text: string): Buffer {
  const length = huffmanBytes(text);
  const bytes = Buffer.alloc(length);
  encodeHuffman(text, bytes, 0);
  return Buffer.concat([length < 127 ? Buffer.from([0x80 | length]) : Buffer.from([0xff, length - 127]), bytes]);
}

function first(name: string, fields: Fields): void {
  const block = indexing(fields);
  // A connection lasts for some requests; its first ones are what is measured.
  measure(`${name}, first, ${fields.length} fields, ${block.length} bytes: decode`, 20_000, () => () => {
    new HpackDecoder(4096).decode(block, 0, block.length, sink);
  });
  const out = new ByteBuffer();
  measure(`${name}, first: encode`, 20_000, () => () => {
    out.length = 0;
    write(new HpackEncoder(), out, fields);
  });
}

function steady(name: string, fields: Fields): void {
  const [warm, rest] = blocks(fields);
  const bytes = rest.reduce((sum, block) => sum + block.length, 0) / rest.length;
  const all = `${fields.length} fields, ${bytes.toFixed(0)} bytes`;
  measure(`${name}, ${all}: decode`, 100_000, () => {
    const decoder = new HpackDecoder(4096);
    for (const block of warm) decoder.decode(block, 0, block.length, sink);
    return (i) => {
      const block = rest[i & (VARIANTS - 1)]!;
      if (!decoder.decode(block, 0, block.length, sink)) throw new Error('refused');
    };
  });
  const each = variants(fields);
  const out = new ByteBuffer();
  measure(`${name}, ${all}: encode`, 100_000, () => {
    const encoder = new HpackEncoder();
    for (let i = 1; i <= 3; i++) write(encoder, out, each.at(-i)!);
    return (i) => {
      out.length = 0;
      write(encoder, out, each[i & (VARIANTS - 1)]!);
    };
  });
}

first('browser request', BROWSER);
steady('gateway request', GATEWAY);
steady('gRPC request', GRPC);
steady('gRPC request, traced', GRPC_TRACED);
steady('response', RESPONSE);
steady('gRPC response', GRPC_RESPONSE);
steady('gRPC trailers', GRPC_TRAILERS);
