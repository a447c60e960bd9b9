// The resource types that xDS brings, in the order in which they are asked for.
import type { ResourceType } from '../config/any-registry.ts';
import {
  CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, NAME_TABLE_TYPE, ROUTE_TYPE, SECRET_TYPE, VIRTUAL_HOST_TYPE,
} from '../config/type-url.ts';

/** How people and stats call a type. */
export interface TypeName {
  /** For messages: `cluster`. */
  readonly singular: string;
  /** Envoy's word for its discovery service: `cds`. */
  readonly service: string;
}

const NAMES: { readonly [T in ResourceType]: TypeName } = {
  [CLUSTER_TYPE]: { singular: 'cluster', service: 'cds' },
  [ENDPOINT_TYPE]: { singular: 'endpoints', service: 'eds' },
  [SECRET_TYPE]: { singular: 'secret', service: 'sds' },
  [LISTENER_TYPE]: { singular: 'listener', service: 'lds' },
  [ROUTE_TYPE]: { singular: 'route table', service: 'rds' },
  [NAME_TABLE_TYPE]: { singular: 'name table', service: 'nds' },
  [VIRTUAL_HOST_TYPE]: { singular: 'virtual host', service: 'vhds' },
};

/** Make before break: what is named comes before what names it. */
export const TYPE_ORDER: readonly ResourceType[] =
  [CLUSTER_TYPE, ENDPOINT_TYPE, SECRET_TYPE, LISTENER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE,
    NAME_TABLE_TYPE];

export function nameOfType(type: ResourceType): TypeName {
  return NAMES[type];
}

/** Undefined for a type that weft does not take. */
export function resourceTypeOf(typeUrl: string | undefined): ResourceType | undefined {
  return TYPE_ORDER.find((type) => type === typeUrl);
}
