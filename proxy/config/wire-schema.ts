// Where the protobuf schema of xDS lies, and its loading: made by `prepare`, read when the first message is met.
import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import protobuf from 'protobufjs/light.js';
import { messageOf } from '../base/error.ts';

/** protobufjs's reflection as JSON: every message and enum that weft may send or get, without comments and options. */
export const SCHEMA_FILE: string = join(
  dirname(findPackageJSON(import.meta.url) ?? ''), 'node_modules', '.cache', 'weft', 'xds-schema.json',
);

/** What `prepare` writes: `inputs` is a hash of what the schema was made from. */
export interface SchemaFile {
  readonly inputs: string;
  readonly schema: protobuf.INamespace;
}

/** Messages by full name, such as `envoy.config.cluster.v3.Cluster`. */
export type MessageTypes = ReadonlyMap<string, protobuf.Type>;

/** Packages of the protocol's own messages, and of all that is in them but resources. */
const PROTOCOL = new Set(['envoy.service.discovery', 'envoy.config.core', 'envoy.type', 'google', 'udpa', 'xds']);

/**
 * Reads and resolves the schema; throws an Error that says what to do when it is not there. Some 60 ms, and 10 MB, of
 * which `protocol` alone takes a third: it knows no resources.
 */
export function loadSchema(file: string = SCHEMA_FILE, part: 'all' | 'protocol' = 'all'): MessageTypes {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Error(`the protobuf schema of xDS cannot be read (${messageOf(cause)}); "npm ci" makes it`);
  }
  const types = new Map<string, protobuf.Type>();
  const { schema } = JSON.parse(text) as SchemaFile;
  collect(protobuf.Root.fromJSON(part === 'all' ? schema : protocolOf(schema, '')), types);
  return types;
}

function protocolOf({ nested = {}, ...rest }: protobuf.INamespace, path: string): protobuf.INamespace {
  const kept: Record<string, protobuf.AnyNestedObject> = {};
  for (const [name, part] of Object.entries(nested)) {
    const full = path === '' ? name : `${path}.${name}`;
    if (PROTOCOL.has(full)) kept[name] = part;
    else if (PROTOCOL.values().some((each) => each.startsWith(`${full}.`))) kept[name] = protocolOf(part, full);
  }
  return { ...rest, nested: kept };
}

function collect(namespace: protobuf.NamespaceBase, types: Map<string, protobuf.Type>): void {
  for (const part of namespace.nestedArray) {
    if (part instanceof protobuf.Type) types.set(part.fullName.slice(1), part);
    if (part instanceof protobuf.Type || part instanceof protobuf.Namespace) collect(part, types);
  }
}
