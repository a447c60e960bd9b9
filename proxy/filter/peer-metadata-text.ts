// What Istio's proxies tell each other of their workload in x-envoy-peer-metadata: a google.protobuf.Struct of texts,
// in base64. It is the same for all requests, so that it is written once and no library is loaded for it.

/** Texts, and objects of them. */
export type PeerFacts = { readonly [key: string]: string | PeerFacts };

/** Of the names in node metadata those that peers are told, in the order of their keys. */
const FACTS = ['CLUSTER_ID', 'NAME', 'NAMESPACE', 'OWNER', 'WORKLOAD_NAME'] as const;
const LABELS = ['app', 'service.istio.io/canonical-name', 'service.istio.io/canonical-revision', 'version'] as const;

export function peerFacts(metadata: Readonly<Record<string, unknown>>, more: readonly string[] = []): PeerFacts {
  const labels = texts(metadata['LABELS'], [...LABELS, ...more]);
  return { ...texts(metadata, FACTS), ...(Object.keys(labels).length > 0 && { LABELS: labels }) };
}

export function peerMetadataText(facts: PeerFacts): string {
  return encodeStruct(facts).toString('base64');
}

function texts(values: unknown, keys: readonly string[]): PeerFacts {
  const known = new Map<string, unknown>(Object.entries(typeof values === 'object' && values !== null ? values : {}));
  const found = [...new Set(keys)].map((key): [string, unknown] => [key, known.get(key)]);
  return Object.fromEntries(found.filter((pair): pair is [string, string] => typeof pair[1] === 'string'));
}

/** Struct { map<string, Value> fields = 1 }, sorted, as deterministic encoders do. */
function encodeStruct(facts: PeerFacts): Buffer {
  const entries = Object.entries(facts).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.concat(entries.map(([key, value]) =>
    field(1, Buffer.concat([field(1, Buffer.from(key)), field(2, encodeValue(value))]))));
}

/** Value { string string_value = 3; Struct struct_value = 5 }. */
function encodeValue(value: string | PeerFacts): Buffer {
  return typeof value === 'string' ? field(3, Buffer.from(value)) : field(5, encodeStruct(value));
}

/** A length-delimited field. */
function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint(number << 3 | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push(rest & 0x7f | 0x80);
  }
}
