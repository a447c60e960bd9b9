// What names mean to the application: Istio's name table (NDS), which the DNS proxy answers from.
import { string } from './scalar.ts';
import { list, map, message, optional, type Static } from './schema.ts';

export const NameInfo = message('istio.networking.nds.v1.NameTable.NameInfo', {
  ips: optional(list(string()), 'Addresses, of both families; a name without any is known and has none.'),
  registry: optional(string(), '`Kubernetes`: the name has short forms. Anything else: it has none.'),
  shortname: optional(string(), 'Of Kubernetes: the name of the service.'),
  namespace: optional(string(), 'Of Kubernetes: its namespace.'),
}, {
  warned: { 'Istio itself does not use it any more': ['alt_hosts'] },
});
export interface NameInfo extends Static<typeof NameInfo> {}

export const NameTable = message('istio.networking.nds.v1.NameTable', {
  table: optional(map(NameInfo), 'By full host name, lower case; `*.` at its front stands for one label or more.'),
  nameInfo: optional(NameInfo, 'In place of a table, of the one host that the resource is named after.'),
});
export interface NameTable extends Static<typeof NameTable> {}
