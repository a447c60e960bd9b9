// Prints the model as Envoy's config_dump does: names in snake_case, secrets replaced.
import type { MessageNode, Schema } from './schema.ts';

/** In place of a secret. */
export const REDACTED = '[redacted]';

/** A copy of a decoded value in Envoy's spelling; what fields marked as secret hold is replaced by `[redacted]`. */
export function encodeSnake<T>(schema: Schema<T>, value: T): unknown {
  return encode(schema, value, false);
}

function encode(schema: Schema, value: unknown, hidden: boolean): unknown {
  const node = schema['~node'];
  switch (node.kind) {
    case 'leaf': return hidden ? REDACTED : value;
    case 'list': return (value as unknown[]).map((item) => encode(node.item, item, hidden));
    case 'map': return encodeMap(node.value, value as Record<string, unknown>, hidden);
    case 'recursive': return encode(node.target(), value, hidden);
    case 'message': return encodeFields(node, value as Record<string, unknown>, hidden);
    case 'any': {
      if (node.messages.size === 0) return {};
      const { '@type': type, ...fields } = value as { '@type': string };
      const message = node.messages.get(type.slice(type.lastIndexOf('/') + 1));
      const rest = message === undefined ? {} : encodeFields(message['~node'], fields, hidden);
      return { '@type': type, ...rest };
    }
  }
}

function encodeMap(item: Schema, entries: Record<string, unknown>, hidden: boolean): Record<string, unknown> {
  const copy = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of Object.entries(entries)) copy[key] = encode(item, value, hidden);
  return copy;
}

function encodeFields(node: MessageNode, fields: Record<string, unknown>, hidden: boolean): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    const spelling = node.spellings.get(key);
    if (value === undefined || spelling?.kind !== 'field') continue;
    copy[spelling.snake] = encode(spelling.field.schema, value, hidden || spelling.field.secret);
  }
  return copy;
}
