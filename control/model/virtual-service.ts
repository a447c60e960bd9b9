// VirtualService: how requests to a host are routed (networking.istio.io).
import { string } from '../../proxy/config/scalar.ts';
import { list, message, optional, Refusal, required, type Static } from '../../proxy/config/schema.ts';
import { HttpRule } from './http-route.ts';
import { objectHead } from './object-meta.ts';
import { hostPattern } from './scalar.ts';
import { TcpRule, TlsRule } from './tcp-route.ts';

export const VirtualServiceSpec = message('istio.networking.v1.VirtualService', {
  hosts: optional(list(hostPattern()), "Hosts; a short name is of the rule's namespace. Without any, its rules are for "
    + 'others to delegate to.'),
  gateways: optional(list(string({ minLength: 1 })), '`name` or `namespace/name`; `mesh` (default) is all sidecars.'),
  http: optional(list(HttpRule), 'Rules for requests; the first that matches holds.'),
  tls: optional(list(TlsRule), 'Rules for connections with TLS to ports named tls or https.'),
  tcp: optional(list(TcpRule), 'Rules for connections to ports that are not HTTP.'),
  exportTo: optional(list(string()), "Namespaces that see it: '*' (default), '.', '~' or names."),
}, { check: checkShape });
export interface VirtualServiceSpec extends Static<typeof VirtualServiceSpec> {}

interface Shape {
  readonly hosts?: readonly string[];
  readonly gateways?: readonly string[];
  readonly http?: readonly HttpRule[];
  readonly tls?: readonly unknown[];
  readonly tcp?: readonly unknown[];
}

function checkShape({ hosts = [], gateways = [], http = [], tls = [], tcp = [] }: Shape): Refusal | undefined {
  if (http.length + tls.length + tcp.length === 0) return new Refusal('needs http, tls or tcp rules');
  if (hosts.length > 0) return undefined;
  if (gateways.length > 0) {
    return new Refusal('must not be set without hosts: the one that delegates says it', ['gateways']);
  }
  if (tls.length + tcp.length > 0) return new Refusal('are needed for tls and tcp rules', ['hosts']);
  const nested = http.findIndex(({ delegate }) => delegate !== undefined);
  return nested < 0 ? undefined
    : new Refusal('must not be set without hosts: there is one level of delegation', ['http', nested, 'delegate']);
}

export const VirtualService = message('istio.VirtualService', {
  ...objectHead,
  spec: required(VirtualServiceSpec, 'Rules.'),
});
export interface VirtualService extends Static<typeof VirtualService> {}
