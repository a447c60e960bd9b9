// VirtualService: how requests to a host are routed (networking.istio.io).
import { string } from '../../proxy/config/scalar.ts';
import { list, message, optional, required, type Static } from '../../proxy/config/schema.ts';
import { HttpRule } from './http-route.ts';
import { objectHead } from './object-meta.ts';
import { hostPattern } from './scalar.ts';

export const VirtualServiceSpec = message('istio.networking.v1.VirtualService', {
  hosts: required(list(hostPattern(), { min: 1 }), "Hosts; a short name is of the rule's namespace."),
  gateways: optional(list(string({ minLength: 1 })), '`name` or `namespace/name`; `mesh` (default) is all sidecars.'),
  http: required(list(HttpRule, { min: 1 }), 'Rules; the first that matches holds.'),
  exportTo: optional(list(string()), "Namespaces that see it: '*' (default), '.', '~' or names."),
}, {
  refused: { 'only http rules are supported yet': ['tls', 'tcp'] },
});
export interface VirtualServiceSpec extends Static<typeof VirtualServiceSpec> {}

export const VirtualService = message('istio.VirtualService', {
  ...objectHead,
  spec: required(VirtualServiceSpec, 'Rules.'),
});
export interface VirtualService extends Static<typeof VirtualService> {}
