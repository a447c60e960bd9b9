// JSON access log lines: an object of formats, compiled once into text and operators; single operators keep their type.
import { wireText } from '../base/ascii.ts';
import { ConfigError } from '../base/error.ts';
import type { CompiledFormat, FormatOptions, FormatPart, OperatorPart } from './formatter.ts';
import { cut, parseFormat } from './formatter.ts';
import type { LineBuffer } from './line-buffer.ts';
import { jsonText } from './line-text.ts';
import type { StreamInfo } from './stream-info.ts';

/** A value of the format, in the order of the configuration. */
type Node =
  | { readonly kind: 'fixed'; readonly text: string }
  | { readonly kind: 'one'; readonly part: OperatorPart }
  | { readonly kind: 'text'; readonly parts: readonly FormatPart[] }
  | { readonly kind: 'list'; readonly items: readonly Node[] }
  | { readonly kind: 'object'; readonly members: readonly (readonly [key: string, value: Node])[] };

const DEPTH_MAX = 16;

/**
 * Compiles `json_format`: texts hold operators; a text that is one operator becomes a number, text or null as its value
 * is (left out with omitEmptyValues). The result is one line with its line break. Throws ConfigError.
 */
export function compileJsonFormat(
  format: Readonly<Record<string, unknown>>, options: FormatOptions = {},
): CompiledFormat {
  return new JsonFormat(compileNode(format, options.path ?? '', 0), options.omitEmptyValues === true);
}

class JsonFormat implements CompiledFormat {
  readonly dynamic = true;
  readonly #root: Node;
  readonly #omit: boolean;

  constructor(root: Node, omit: boolean) {
    this.#root = root;
    this.#omit = omit;
  }

  format(info: StreamInfo): string {
    return `${this.#print(this.#root, info) ?? '{}'}\n`;
  }

  writeTo(line: LineBuffer, info: StreamInfo): void {
    line.latin1(this.format(info));
  }

  /** Undefined leaves the member out. */
  #print(node: Node, info: StreamInfo): string | undefined {
    switch (node.kind) {
      case 'fixed':
        return node.text;
      case 'one':
        return this.#printOne(node.part, info);
      case 'text':
        return this.#printText(node.parts, info);
      case 'list':
        return `[${node.items.map((item) => this.#print(item, info) ?? 'null').join(',')}]`;
      case 'object':
        return this.#printObject(node.members, info);
    }
  }

  #printOne(part: OperatorPart, info: StreamInfo): string | undefined {
    const value = part.readJson?.(info) ?? part.read(info);
    if (value === undefined) return this.#omit ? undefined : 'null';
    if (typeof value !== 'string') return wireText(JSON.stringify(value));
    return jsonText(cut(value, part.cutLength), part.origin);
  }

  #printText(parts: readonly FormatPart[], info: StreamInfo): string {
    let text = '"';
    for (const part of parts) {
      const value = typeof part === 'string' ? part : part.read(info);
      if (value === undefined) text += this.#omit ? '' : '-';
      else if (typeof value === 'number') text += value;
      else if (typeof part === 'string') text += jsonText(part, 'traffic').slice(1, -1);
      else text += jsonText(cut(value, part.cutLength), part.origin).slice(1, -1);
    }
    return `${text}"`;
  }

  #printObject(members: readonly (readonly [string, Node])[], info: StreamInfo): string {
    let text = '';
    for (const [key, node] of members) {
      const value = this.#print(node, info);
      if (value !== undefined) text += `${text === '' ? '' : ','}${key}:${value}`;
    }
    return `{${text}}`;
  }
}

function compileNode(value: unknown, path: string, depth: number): Node {
  if (depth > DEPTH_MAX) throw new ConfigError(path, `is nested deeper than ${DEPTH_MAX} levels`);
  if (typeof value === 'string') return compileText(parseFormat(value, path));
  if (Array.isArray(value)) {
    return { kind: 'list', items: value.map((item, i) => compileNode(item, `${path}[${i}]`, depth + 1)) };
  }
  if (typeof value !== 'object' || value === null) return { kind: 'fixed', text: JSON.stringify(value) };
  const members = Object.entries(value).map(([key, member]): [string, Node] => {
    return [jsonText(key, 'config'), compileNode(member, path === '' ? key : `${path}.${key}`, depth + 1)];
  });
  return { kind: 'object', members };
}

function compileText(parts: readonly FormatPart[]): Node {
  const first = parts[0];
  if (first === undefined) return { kind: 'fixed', text: '""' };
  if (parts.length > 1) return { kind: 'text', parts };
  return typeof first === 'string' ? { kind: 'fixed', text: jsonText(first, 'traffic') } : { kind: 'one', part: first };
}
