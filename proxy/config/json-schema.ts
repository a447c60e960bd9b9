// The JSON Schema of a message, for editors: one definition per message, in Envoy's spelling, with descriptions.
import type { MessageNode, Schema } from './schema.ts';

type Keywords = Record<string, unknown>;

/** A self-contained JSON Schema (draft 2020-12). */
export function jsonSchemaOf(schema: Schema): Keywords {
  const definitions = new Map<string, Keywords>();
  const root = keywordsOf(schema, definitions);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...root,
    $defs: Object.fromEntries([...definitions].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function keywordsOf(schema: Schema, definitions: Map<string, Keywords>): Keywords {
  const node = schema['~node'];
  switch (node.kind) {
    case 'leaf': return { ...schema };
    case 'list': return { ...schema, items: keywordsOf(node.item, definitions) };
    case 'map': return { type: 'object', additionalProperties: keywordsOf(node.value, definitions) };
    case 'recursive': return keywordsOf(node.target(), definitions);
    case 'message': return { $ref: define(node, node.name, undefined, definitions) };
    case 'any': return node.messages.size === 0 ? { type: 'object', maxProperties: 0 } : {
      type: 'object',
      required: ['@type'],
      oneOf: [...node.messages.values()].map((message) =>
        ({ $ref: define(message['~node'], `Any ${message['~name']}`, message['~name'], definitions) })),
    };
  }
}

/** Puts a message among the definitions, once; `type` makes it the content of an Any. */
function define(node: MessageNode, name: string, type: string | undefined, definitions: Map<string, Keywords>): string {
  const reference = `#/$defs/${encodeURIComponent(name)}`;
  if (definitions.has(name)) return reference;
  // Known before its fields are looked at: they may hold the message itself.
  const definition: Keywords = {};
  definitions.set(name, definition);
  const properties: Keywords = type === undefined ? {} : { '@type': { const: `type.googleapis.com/${type}` } };
  const required: string[] = type === undefined ? [] : ['@type'];
  for (const [key, field] of node.fields) {
    const snake = node.spellings.get(key)?.snake ?? key;
    properties[snake] = { ...keywordsOf(field.schema, definitions), description: field.description };
    if (field.required) required.push(snake);
  }
  Object.assign(definition, { type: 'object', properties, additionalProperties: false });
  if (required.length > 0) definition['required'] = required;
  return reference;
}
