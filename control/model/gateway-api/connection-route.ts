// TLSRoute and TCPRoute: connections to backends by weight (gateway.networking.k8s.io).
import { list, message, optional, required, type Static } from '../../../proxy/config/schema.ts';
import { objectHead } from '../object-meta.ts';
import { objectName } from '../scalar.ts';
import { BackendRef, hostname } from './reference.ts';
import { routeHead } from './route.ts';

export const ConnectionRule = message('k8s.gateway.v1.TCPRouteRule', {
  name: optional(objectName(), 'Name.'),
  backendRefs: required(list(BackendRef, { min: 1, max: 16 }), 'Backends by weight.'),
});
export interface ConnectionRule extends Static<typeof ConnectionRule> {}

const rules = required(list(ConnectionRule, { min: 1, max: 16 }), 'The first holds; v1 has one.');

export const TlsRoute = message('k8s.gateway.v1.TLSRoute', {
  ...objectHead,
  spec: required(message('k8s.gateway.v1.TLSRouteSpec', {
    ...routeHead,
    hostnames: optional(list(hostname(), { max: 1024 }), "Server names; the listener's when absent."),
    rules,
  }), 'Rules.'),
});
export interface TlsRoute extends Static<typeof TlsRoute> {}

export const TcpRoute = message('k8s.gateway.v1.TCPRoute', {
  ...objectHead,
  spec: required(message('k8s.gateway.v1.TCPRouteSpec', { ...routeHead, rules }), 'Rules.'),
});
export interface TcpRoute extends Static<typeof TcpRoute> {}
