// weft's own kinds as CustomResourceDefinitions: their schemas are those by which objects are read.
import { stringify } from 'yaml';
import type { Schema } from '../../proxy/config/schema.ts';
import { KINDS, type KindName } from '../model/kind.ts';

/** Kind -> plural. */
const OWN: readonly (readonly [KindName, string])[] = [
  ['OidcLogin', 'oidclogins'], ['OpenApiPolicy', 'openapipolicies'], ['EgressCredential', 'egresscredentials'],
];

type Keywords = Record<string, unknown>;

const KEEP_ALL: Keywords = { 'x-kubernetes-preserve-unknown-fields': true };

/** The text of base/crds.yaml. */
export function crdManifest(): string {
  const documents = OWN.map(([kind, plural]) => stringify(definition(kind, plural), { lineWidth: 110 }));
  return `# Made by "npm run build:crds" from control/model.\n${documents.join('---\n')}`;
}

function definition(kind: KindName, plural: string): object {
  const { group, versions, schema } = KINDS[kind];
  const spec = fieldOf(schema as Schema, 'spec');
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() },
      scope: 'Namespaced',
      versions: versions.map((name, i) => ({
        name, served: true, storage: i === 0, subresources: { status: {} },
        schema: { openAPIV3Schema: {
          type: 'object', required: ['spec'],
          properties: { spec: structural(spec), status: { type: 'object', ...KEEP_ALL } },
        } },
      })),
    },
  };
}

function fieldOf(schema: Schema, name: string): Schema {
  const node = schema['~node'];
  const field = node.kind === 'message' ? node.fields.get(name) : undefined;
  if (field === undefined) throw new RangeError(`there is no ${name}`);
  return field.schema;
}

/** Kubernetes' structural schemas: each place has one type, or keeps what it gets. */
function structural(schema: Schema): Keywords {
  const node = schema['~node'];
  const keywords = schema as unknown as Keywords;
  switch (node.kind) {
    case 'leaf': return leaf(keywords);
    case 'list': {
      const { minItems, maxItems } = keywords as { minItems?: number; maxItems?: number };
      return { type: 'array', ...(minItems !== undefined && { minItems }), ...(maxItems !== undefined && { maxItems }),
        items: structural(node.item) };
    }
    case 'map': return { type: 'object', additionalProperties: structural(node.value) };
    case 'message': {
      const fields = [...node.fields];
      const required = fields.filter(([, field]) => field.required).map(([name]) => name);
      return {
        type: 'object', ...(required.length > 0 && { required }),
        properties: Object.fromEntries(fields.map(([name, { schema: inner, description }]) => (
          [name, { description, ...structural(inner) }]))),
      };
    }
    default: return { type: 'object', ...KEEP_ALL };
  }
}

/** What the API server's own engines know of it; all of it is checked by the validating webhook. */
function leaf({ type, minLength, pattern, enum: values, minimum, maximum }: Keywords): Keywords {
  if (typeof type !== 'string') return KEEP_ALL;
  return {
    type,
    ...(minLength !== undefined && { minLength }),
    ...(minimum !== undefined && { minimum }), ...(maximum !== undefined && { maximum }),
    ...(values !== undefined && { enum: values }),
    // RE2 knows no assertions.
    ...(typeof pattern === 'string' && !pattern.includes('(?') && { pattern }),
  };
}
