// Resources of one type from a file (envoy.config.core.v3.PathConfigSource): a DiscoveryResponse in YAML, JSON or
// protobuf. It is taken whole or not at all, so that nothing half written is served (faults.md F28).
import { hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { RESOURCES, resourceName } from '../config/any-registry.ts';
import type { ResourceType } from '../config/any-registry.ts';
import { ConfigError } from '../base/error.ts';
import { readFailureText } from '../base/node-error.ts';
import { decode } from '../config/decode.ts';
import type { ConfigWarning, Locate } from '../config/decode-report.ts';
import { discoveryCodec } from '../config/discovery.ts';
import { LIMITS } from '../config/limits.ts';
import type { Schema } from '../config/schema.ts';
import { parseYaml } from '../config/yaml-file.ts';
import type { YamlDocument } from '../config/yaml-file.ts';
import { decodeResponse } from './resource-decode.ts';
import type { AnyResource, DecodedResource, DecodedResponse, DecodeDeps } from './resource-decode.ts';
import { nameOfType } from './resource-type.ts';
import type { IncomingResource } from './variant.ts';

/** What a file holds; `faults` say why nothing of it is taken, with file, line and column where it is text. */
export interface ResourceFile {
  /** Of the bytes. */
  readonly digest: string;
  /** version_info, or the beginning of the digest. */
  readonly version: string;
  readonly decoded: DecodedResponse;
  readonly faults: readonly string[];
}

const FIELDS: ReadonlySet<string> = new Set([
  'versionInfo', 'version_info', 'resources', 'typeUrl', 'type_url', 'nonce', 'canary', 'controlPlane', 'control_plane',
]);
const NOTHING: DecodedResponse = { updated: [], refused: [], warnings: [] };

/** Rejects with an Error when the file cannot be read. `wire` is asked for by protobuf alone. */
export async function readResourceFile(
  type: ResourceType, file: string, deps: Omit<DecodeDeps, 'wire'> & { wire(): Promise<DecodeDeps['wire']> },
): Promise<ResourceFile> {
  const bytes = await readBounded(file);
  const digest = hash('sha256', bytes);
  if (file.endsWith('.pb_text')) return refused(digest, ['text protobuf is not read; use YAML, JSON or .pb']);
  // Of protobuf's, no byte at all is a whole response, and one that takes everything away.
  if (bytes.length === 0) return refused(digest, [`${file}: is empty`]);
  if (file.endsWith('.pb')) return fromWire(type, bytes, digest, { ...deps, wire: await deps.wire() });
  return fromText(type, file, bytes, digest);
}

async function fromWire(type: ResourceType, bytes: Buffer, digest: string, deps: DecodeDeps): Promise<ResourceFile> {
  try {
    const { versionInfo, resources = [] } = discoveryCodec(deps.wire, 'DiscoveryResponse').decode(bytes);
    const version = versionInfo ?? digest.slice(0, 12);
    const incoming = resources.map(({ '@type': typeUrl, value }): IncomingResource => (
      { name: undefined, version, typeUrl, value }));
    const decoded = await decodeResponse(deps, { type, resources: incoming });
    const faults = decoded.refused.map(({ name, reason }) => `${nameOfType(type).singular} '${name}': ${reason}`);
    return faults.length === 0 ? { digest, version, decoded, faults } : refused(digest, faults);
  } catch (cause) {
    if (cause instanceof ConfigError) return refused(digest, [cause.message]);
    throw cause;
  }
}

function fromText(type: ResourceType, file: string, bytes: Buffer, digest: string): ResourceFile {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return refused(digest, [`${file}: is not UTF-8 text`]);
  }
  const { documents: [document, second], errors } = parseYaml(text, file);
  if (errors.length > 0) return refused(digest, errors.map(({ message }) => message));
  if (document === undefined) return refused(digest, [`${file}: is empty`]);
  if (second !== undefined) return refused(digest, [`${second.locate([])}: the file holds one document`]);
  return new TextResponse(type, document, digest).read();
}

/** A DiscoveryResponse as proto3 JSON. */
class TextResponse {
  readonly #type: ResourceType;
  readonly #document: YamlDocument;
  readonly #digest: string;
  readonly #faults: ConfigError[] = [];
  readonly #warnings: ConfigWarning[] = [];
  readonly #updated = new Map<string, DecodedResource>();

  constructor(type: ResourceType, document: YamlDocument, digest: string) {
    this.#type = type;
    this.#document = document;
    this.#digest = digest;
  }

  read(): ResourceFile {
    const { value } = this.#document;
    if (!isObject(value)) return refused(this.#digest, [`${this.#document.locate([])}: expected a DiscoveryResponse`]);
    const unknown = Object.keys(value).find((name) => !FIELDS.has(name));
    if (unknown !== undefined) this.#fail([unknown], 'is no field of a DiscoveryResponse');
    const said = value['versionInfo'] ?? value['version_info'] ?? '';
    const version = typeof said === 'string' && said !== '' ? said : this.#digest.slice(0, 12);
    // A file that was cut off behind its version would take everything away; an empty list says so in so many words.
    const { resources } = value;
    if (!Array.isArray(resources)) this.#fail(['resources'], 'expected a list, which may be empty');
    else resources.forEach((resource, index) => this.#take(resource, ['resources', index], version));
    if (this.#faults.length > 0) return refused(this.#digest, this.#faults.map(({ message }) => message));
    const decoded = { updated: [...this.#updated.values()], refused: [], warnings: this.#warnings };
    return { digest: this.#digest, version, decoded, faults: [] };
  }

  #take(input: unknown, at: readonly (string | number)[], version: string): void {
    if (!isObject(input)) return this.#fail(at, 'expected an object with @type');
    const { '@type': typeUrl, ...fields } = input;
    if (typeUrl !== this.#type) {
      return this.#fail(at, `is a ${String(typeUrl)}, not a ${this.#type}`);
    }
    const locate: Locate = (below) => this.#document.locate([...at, ...below]);
    const { value, errors, warnings } = decode(
      RESOURCES[this.#type] as Schema<AnyResource>, fields, `resources[${at[1]}]`, locate,
    );
    this.#faults.push(...errors);
    this.#warnings.push(...warnings);
    if (value === undefined) return;
    const name = resourceName(this.#type, value);
    if (name === '') this.#fail(at, `${nameOfType(this.#type).singular} without a name`);
    else if (this.#updated.has(name)) this.#fail(at, `'${name}' is in the file twice`);
    else this.#updated.set(name, { name, version, resource: value });
  }

  #fail(at: readonly (string | number)[], reason: string): void {
    const path = at.length === 2 ? `resources[${at[1]}]` : String(at[0]);
    this.#faults.push(new ConfigError(path, reason, this.#document.locate(at)));
  }
}

/** What stood there before the limit is not of interest: the file is refused. */
async function readBounded(file: string): Promise<Buffer> {
  const max = LIMITS.configBytesMax;
  try {
    await using handle = await open(file);
    const { size } = await handle.stat();
    if (size > max) throw new Error(`is larger than ${max} bytes`);
    const bytes = Buffer.alloc(size + 1);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    if (bytesRead === size) return bytes.subarray(0, size);
  } catch (cause) {
    throw new Error(`${file}: ${readFailureText(cause)}`, { cause });
  }
  throw new Error(`${file}: is being written to`);
}

function refused(digest: string, faults: readonly string[]): ResourceFile {
  return { digest, version: digest.slice(0, 12), decoded: NOTHING, faults };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
