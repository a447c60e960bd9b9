// OpenApiPolicy: requests to a gateway or a workload must be those that an OpenAPI document describes (weft's own).
import { bool } from '../../proxy/config/scalar.ts';
import {
  list, message, optional, Refusal, required, schemaOf, type Schema, type Static,
} from '../../proxy/config/schema.ts';
import { objectHead } from './object-meta.ts';
import { readOpenApi, type OpenApiTable } from './openapi-document.ts';
import { matching } from './scalar.ts';
import { ALL_WORKLOADS, WorkloadSelector } from './selector.ts';

interface Leaf {
  readonly kind: 'leaf';
  read(input: unknown): unknown;
}

/** Read once, when the object is. */
function document(): Schema<OpenApiTable> {
  return schemaOf<OpenApiTable, Leaf>({ type: ['object', 'string'] }, {
    kind: 'leaf',
    read: (input) => {
      const table = readOpenApi(input);
      if (table instanceof Refusal || table.paths.length > 0) return table;
      return new Refusal('describes no operation');
    },
  });
}

export const OpenApiPolicySpec = message('weft.security.v1.OpenApiPolicy', {
  selector: optional(WorkloadSelector, `Gateways or workloads. ${ALL_WORKLOADS}`),
  hosts: optional(list(matching(/^(\*|(\*\.)?[a-z0-9][-a-z0-9.]*)$/, 'a host, in lower case'), { min: 1, max: 256 }),
    'Hosts of the API; all when absent.'),
  document: required(document(), 'The OpenAPI 3 document, as it is or as text in YAML or JSON. Paths below that of its '
    + 'first server must be in it; parameters of simple types, bodies\' types and their being there are looked at.'),
  dryRun: optional(bool(), 'What would be refused is counted and passes. Default false.'),
});
export interface OpenApiPolicySpec extends Static<typeof OpenApiPolicySpec> {}

export const OpenApiPolicy = message('weft.OpenApiPolicy', {
  ...objectHead,
  spec: required(OpenApiPolicySpec, 'Which requests there may be.'),
});
export interface OpenApiPolicy extends Static<typeof OpenApiPolicy> {}
