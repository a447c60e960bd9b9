// Every field of the Gateway API's own CustomResourceDefinitions has a place in the model, and the model has no others.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { kindNamed, KINDS, REFUSED_KINDS } from '../../control/model/kind.ts';
import { GATEWAY_GROUP } from '../../control/model/gateway-api/reference.ts';
import type { Node } from '../../proxy/config/schema.ts';
import { CRD_FOLDER } from '../harness/kube-peers.ts';

const FILE = join(CRD_FOLDER, 'gateway-api-experimental.yaml');
const skip = existsSync(FILE) ? false : 'no CRDs here; "npm run build:kube-apiserver" brings them';

interface OpenApi {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, OpenApi>>;
  readonly items?: OpenApi;
  readonly enum?: readonly string[];
}

interface Definition {
  readonly kind: string;
  readonly spec: {
    readonly names: { readonly kind: string };
    readonly group: string;
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly schema: { readonly openAPIV3Schema: OpenApi };
    }[];
  };
}

const definitions = (): Definition[] => parseAllDocuments(readFileSync(FILE, 'utf8'))
  .map((document) => document.toJS() as Definition | null)
  .filter((value): value is Definition => value?.kind === 'CustomResourceDefinition'
    && value.spec.group === GATEWAY_GROUP);

/** Selectors are Kubernetes' own, and have a test of theirs. */
const OTHERS = /(\.labels|\.annotations|\.options|[sS]elector)$/;

/** Fields of one that the other lacks, by path. */
function missing(api: OpenApi, node: Node, path: string): string[] {
  if (api.items !== undefined && node.kind === 'list') return missing(api.items, node.item['~node'], `${path}[]`);
  if (api.properties === undefined || OTHERS.test(path)) return [];
  if (node.kind !== 'message') return [`${path} is ${node.kind}`];
  const { fields } = node;
  const known = api.properties;
  const own = [...fields.keys()].filter((key) => !Object.hasOwn(known, key));
  const below = Object.entries(known).flatMap(([key, schema]) => {
    const field = fields.get(key);
    const at = `${path}.${key}`;
    return field === undefined ? [`${at} is missing`] : missing(schema, field.schema['~node'], at);
  });
  return [...own.map((key) => `${path}.${key} is ours alone`), ...below];
}

test('each field of the CRDs is in the model, and each served version is taken', { skip }, () => {
  const seen: string[] = [];
  for (const { spec: { names: { kind }, group, versions } } of definitions()) {
    if (REFUSED_KINDS.has(kind)) continue;
    const name = kindNamed(kind, `${group}/v1`);
    assert.ok(name !== undefined, kind);
    seen.push(name);
    for (const { name: version, served, schema } of versions) {
      if (!served) continue;
      assert.ok(KINDS[name].versions.includes(version), `${kind} ${version}`);
      const root: Node = KINDS[name].schema['~node'];
      const spec: Node | undefined = root.kind === 'message' ? root.fields.get('spec')?.schema['~node'] : undefined;
      const api = schema.openAPIV3Schema.properties?.['spec'];
      if (spec === undefined || api === undefined) continue;
      assert.deepEqual(missing(api, spec, 'spec'), [], `${kind} ${version}`);
    }
  }
  assert.equal(seen.length, 9, seen.join());
});
