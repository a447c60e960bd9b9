// Reads YAML and JSON with positions: within limits, without tags, duplicate keys or prototypes (S90, S91).
import { open } from 'node:fs/promises';
import { Alias, isMap, isNode, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml';
import type { Document, Node, Pair, ParsedNode, YAMLMap, YAMLSeq } from 'yaml';
import { ConfigError, messageOf } from '../base/error.ts';
import { readFailureText } from '../base/node-error.ts';
import { type Locate, pathText } from './decode-report.ts';
import { LIMITS } from './limits.ts';

/** One document of a file. */
export interface YamlDocument {
  /** Plain data; objects have no prototype. */
  readonly value: unknown;
  /** `file:line:column` of a path in it, or of the nearest thing above it. */
  readonly locate: Locate;
}

/** All documents of a text, or what is wrong with it; empty documents are left out. */
export interface YamlText {
  readonly documents: readonly YamlDocument[];
  readonly errors: readonly ConfigError[];
}

/** Reads a file of one or many documents. A file that cannot be read is an error like any other. */
export async function readYamlFile(file: string): Promise<YamlText> {
  try {
    return parseYaml(await readText(file), file);
  } catch (cause) {
    const error = cause instanceof ConfigError ? cause : new ConfigError('', readFailureText(cause), file);
    return { documents: [], errors: [error] };
  }
}

/** Reads a text of one or many documents; `file` is the name that errors show. */
export function parseYaml(text: string, file: string): YamlText {
  if (Buffer.byteLength(text) > LIMITS.configBytesMax) return { documents: [], errors: [tooLarge(file)] };
  const lines = new LineCounter();
  try {
    // Keys are compared by the converter: the parser's own comparison takes quadratic time.
    const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: false, logLevel: 'silent' } as const;
    const parsed = parseAllDocuments(text, options);
    const converters = [...parsed].map((document) => new Converter(document, file, lines));
    const documents = converters.map((converter) => converter.convert()).filter(({ value }) => value !== null);
    const errors = converters.flatMap((converter) => converter.errors);
    return { documents: errors.length === 0 ? documents : [], errors: errors.slice(0, LIMITS.configErrorsMax) };
  } catch (cause) {
    const reason = cause instanceof RangeError ? TOO_DEEP : messageOf(cause);
    return { documents: [], errors: [new ConfigError('', reason, file)] };
  }
}

const TOO_DEEP = `is nested deeper than ${LIMITS.configDepthMax}`;

/** What plain YAML 1.2 needs; any other tag asks for behaviour. */
const CORE_TAGS: ReadonlySet<string> = new Set(['str', 'int', 'float', 'bool', 'null', 'map', 'seq']
  .map((name) => `tag:yaml.org,2002:${name}`));

/** Turns one parsed document into plain data, counting what it costs. */
class Converter {
  readonly errors: ConfigError[] = [];
  readonly #document: Document.Parsed<ParsedNode> | Document;
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #anchors = new Map<string, Node>();
  readonly #path: (string | number)[] = [];
  #aliases = 0;
  #nodes = 0;

  constructor(document: Document, file: string, lines: LineCounter) {
    this.#document = document;
    this.#file = file;
    this.#lines = lines;
  }

  convert(): YamlDocument {
    for (const { code, message, pos } of [...this.#document.errors, ...this.#document.warnings]) {
      // RESOURCE_EXHAUSTION: nesting beyond what the parser's own recursion bears.
      const reason = code === 'RESOURCE_EXHAUSTION' ? TOO_DEEP : message;
      this.errors.push(new ConfigError('', reason, this.#place(pos[0])));
    }
    const value = this.errors.length > 0 ? null : this.#value(this.#document.contents, 0);
    return { value, locate: (path) => this.#locate(path) };
  }

  #value(node: unknown, depth: number): unknown {
    if (!isNode(node)) return null;
    if (depth > LIMITS.configDepthMax) return this.#fail(node, TOO_DEEP);
    if (++this.#nodes > LIMITS.configNodesMax) return this.#fail(node, `has more than ${LIMITS.configNodesMax} values`);
    if (node instanceof Alias) return this.#alias(node, depth);
    if (node.tag !== undefined && !CORE_TAGS.has(node.tag)) return this.#fail(node, `tag ${node.tag} is not allowed`);
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (isMap(node)) return this.#map(node, depth);
    if (isSeq(node)) return this.#list(node, depth);
    return isScalar(node) ? node.value : null;
  }

  /** Every use counts, also those inside of what another alias repeats: so nesting cannot multiply them. */
  #alias(node: Alias, depth: number): unknown {
    if (++this.#aliases > LIMITS.configAliasesMax) {
      return this.#fail(node, `uses aliases more than ${LIMITS.configAliasesMax} times`);
    }
    const target = this.#anchors.get(node.source);
    return target === undefined ? this.#fail(node, `unknown alias *${node.source}`) : this.#value(target, depth + 1);
  }

  #list(node: YAMLSeq, depth: number): unknown[] {
    const items: unknown[] = [];
    for (const [index, item] of node.items.entries()) {
      if (this.#isFull()) break;
      this.#path.push(index);
      items.push(this.#value(item, depth + 1));
      this.#path.pop();
    }
    return items;
  }

  #map(node: YAMLMap, depth: number): Record<string, unknown> {
    const entries = Object.create(null) as Record<string, unknown>;
    for (const pair of node.items) {
      if (this.#isFull()) break;
      const key = keyText(pair);
      if (key === undefined) {
        this.#fail(pair.key, 'a key must be text');
        continue;
      }
      this.#path.push(key);
      if (key === '__proto__') this.#fail(pair.key, 'is not allowed as a key');
      else if (key in entries) this.#fail(pair.key, 'is given twice');
      else entries[key] = this.#value(pair.value, depth + 1);
      this.#path.pop();
    }
    return entries;
  }

  #isFull(): boolean {
    return this.errors.length >= LIMITS.configErrorsMax;
  }

  #fail(node: unknown, reason: string): null {
    const offset = isNode(node) ? node.range?.[0] : undefined;
    if (!this.#isFull()) this.errors.push(new ConfigError(pathText(this.#path), reason, this.#place(offset ?? 0)));
    return null;
  }

  #place(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.#file}:${Math.max(1, line)}:${Math.max(1, col)}`;
  }

  /** Follows a path as far as it goes; only errors come here, so that a search per step is cheap enough. */
  #locate(path: readonly (string | number)[]): string {
    let node: unknown = this.#document.contents;
    let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
    for (const segment of path) {
      if (node instanceof Alias) node = this.#anchors.get(node.source);
      const [next, start] = step(node, segment);
      if (start === undefined) break;
      node = next;
      offset = start;
    }
    return this.#place(offset);
  }
}

/** The child of a node, and where its key or entry begins. */
function step(node: unknown, segment: string | number): [unknown, number | undefined] {
  if (isMap(node)) {
    const pair = node.items.find((item) => keyText(item) === String(segment));
    return [pair?.value, isNode(pair?.key) ? pair.key.range?.[0] : undefined];
  }
  const item = isSeq(node) && typeof segment === 'number' ? node.items[segment] : undefined;
  return [item, isNode(item) ? item.range?.[0] : undefined];
}

/** The key as text; numbers and booleans are taken as they are spelled. */
function keyText({ key }: Pair): string | undefined {
  if (!isScalar(key) || key.tag !== undefined || key.value === null) return undefined;
  return typeof key.value === 'string' ? key.value : key.source;
}

function tooLarge(file: string): ConfigError {
  return new ConfigError('', `is larger than ${LIMITS.configBytesMax} bytes`, file);
}

/** Reads at most the limit: what is named may be a pipe or a device without an end. */
async function readText(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const chunks: Buffer[] = [];
    let total = 0;
    for (;;) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(65_536), 0, 65_536, null);
      if (bytesRead === 0) break;
      total += bytesRead;
      if (total > LIMITS.configBytesMax) throw tooLarge(file);
      chunks.push(buffer.subarray(0, bytesRead));
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } finally {
    await handle.close();
  }
}
