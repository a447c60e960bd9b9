// Istio's name table as protobuf, whose .proto is in no npm package: names and numbers of its fields.
import type protobuf from 'protobufjs';

/** What the schema is made from. */
export const NAME_TABLE_FILE: string = import.meta.filename;

const NAME_MAP: protobuf.IMapField = { keyType: 'string', type: 'NameInfo', id: 1 };

/** Of istio.networking.nds.v1. */
export const NAME_TABLE = {
  NameTable: {
    nested: {
      NameInfo: {
        fields: {
          ips: { rule: 'repeated', type: 'string', id: 1 },
          registry: { type: 'string', id: 2 },
          shortname: { type: 'string', id: 3 },
          namespace: { type: 'string', id: 4 },
          altHosts: { rule: 'repeated', type: 'string', id: 5 },
        },
      },
    },
    fields: { table: NAME_MAP, nameInfo: { type: 'NameInfo', id: 2 } },
  },
} satisfies NonNullable<protobuf.INamespace['nested']>;
