// What the kernel is told so that a workload's connections pass its sidecar: rules, before they are any tool's text.
import { isIP } from 'node:net';

/** Names as in Istio's init container and its annotations; ports and ranges are as they are written in both. */
export interface Interception {
  /**
   * How callers are led to the sidecar: `REDIRECT`, or `TPROXY`, by which the application sees their addresses.
   * What the application calls is redirected either way. Default REDIRECT.
   */
  readonly mode: 'REDIRECT' | 'TPROXY';
  /** Where the sidecar takes what the application calls. Default 15001. */
  readonly outboundPort: number;
  /** Where it takes what comes to the application. Default 15006. */
  readonly inboundPort: number;
  /** The sidecar's own user and group: what it sends is left alone. Default 1337. */
  readonly uid: number;
  readonly gid: number;
  /** `all`, or ports of the application. */
  readonly includeInboundPorts: readonly number[] | 'all';
  readonly excludeInboundPorts: readonly number[];
  /** `all`, or ranges of addresses. */
  readonly includeOutboundCidrs: readonly string[] | 'all';
  readonly excludeOutboundCidrs: readonly string[];
  /** Whatever their address. */
  readonly includeOutboundPorts: readonly number[];
  readonly excludeOutboundPorts: readonly number[];
  /** Of which resolvers the sidecar answers in their place: addresses, or `all`. Default none. */
  readonly dnsServers: readonly string[] | 'all';
  /** Where it does. Default 15053. */
  readonly dnsPort: number;
}

export const INTERCEPTION_DEFAULTS: Interception = {
  mode: 'REDIRECT', outboundPort: 15_001, inboundPort: 15_006, uid: 1337, gid: 1337,
  includeInboundPorts: 'all',
  // What asks about the sidecar itself: admin, health, metrics.
  excludeInboundPorts: [15_000, 15_020, 15_021, 15_090],
  includeOutboundCidrs: 'all', excludeOutboundCidrs: [], includeOutboundPorts: [], excludeOutboundPorts: [],
  dnsServers: [], dnsPort: 15_053,
};

export type Family = 4 | 6;

/**
 * `input` and `output` are where connections pass, `dns` where questions by UDP leave, `zone-out` and `zone-in` where
 * the kernel has not looked yet for the flow that a packet belongs to, `mark-in` and `mark-out` where its way is not
 * chosen yet; the others are reached from there.
 */
export type RuleChain = 'input' | 'output' | 'to-inbound' | 'to-outbound' | 'dns' | 'zone-out' | 'zone-in'
  | 'mark-in' | 'mark-out';

export interface Rule {
  readonly chain: RuleChain;
  /** TCP without it. */
  readonly udp?: true;
  /** It leaves by the loopback interface. */
  readonly loopback?: true;
  /** It came by it. */
  readonly fromLoopback?: true;
  /** It bears a mark, or its connection does. */
  readonly mark?: number;
  readonly connectionMark?: number;
  /** Its connection has been answered. */
  readonly established?: true;
  readonly source?: string;
  readonly destination?: string;
  readonly notDestination?: string;
  readonly port?: number;
  readonly sourcePort?: number;
  readonly uid?: number;
  readonly notUid?: number;
  readonly gid?: number;
  readonly notGid?: number;
  /** `return`: it goes where it wants. */
  readonly verdict: 'return' | 'to-inbound' | 'to-outbound' | { readonly redirectTo: number }
    | { readonly zone: number } | { readonly transparentTo: number }
    /** From the packet to its connection, and back; the next rule is asked. */
    | 'save-mark' | 'restore-mark';
}

/** As Istio's: marked packets are for this machine, whosever address they bear, by a table of routes of their own. */
export const TPROXY_MARK = 1337;
export const TPROXY_ROUTES = 133;

/** The sidecar calls its application from these, so that it is not sent back to the sidecar. */
export const OWN_SOURCE: Readonly<Record<Family, string>> = { 4: '127.0.0.6', 6: '::6' };
const LOOPBACK: Readonly<Record<Family, string>> = { 4: '127.0.0.1', 6: '::1' };

/** In their order; the first that fits holds. */
export function redirectRules(wanted: Interception, family: Family): Rule[] {
  return [
    { chain: 'to-outbound', verdict: { redirectTo: wanted.outboundPort } },
    { chain: 'to-inbound', verdict: { redirectTo: wanted.inboundPort } },
    ...(wanted.mode === 'TPROXY' ? transparentRules(wanted) : inputRules('input', 'to-inbound', wanted)),
    ...outputRules(wanted, family),
    ...dnsRules(wanted, family),
  ];
}

const DNS_PORT = 53;
/**
 * The sidecar asks the same resolvers as its application. Without zones of their own, a port that one of them has used
 * a moment ago would lead the other's question the way of the first.
 */
const SIDECAR_ZONE = 1;
const APPLICATION_ZONE = 2;

/** Questions by UDP; those by TCP are the first rules of `output`. */
function dnsRules(wanted: Interception, family: Family): Rule[] {
  const { uid, gid, dnsPort } = wanted;
  const asked = dnsAsked(wanted, family);
  if (asked.length === 0) return [];
  const udp = true;
  const zone = { zone: SIDECAR_ZONE };
  return [
    ...[{ uid }, { gid }].map((who): Rule => ({ chain: 'dns', udp, ...who, verdict: 'return' })),
    ...asked.map((to): Rule => ({ chain: 'dns', udp, ...to, verdict: { redirectTo: dnsPort } })),
    ...[{ uid }, { gid }].flatMap((who): Rule[] => [
      { chain: 'zone-out', udp, port: DNS_PORT, ...who, verdict: zone },
      { chain: 'zone-out', udp, sourcePort: dnsPort, ...who, verdict: { zone: APPLICATION_ZONE } },
    ]),
    ...asked.map((to): Rule => ({ chain: 'zone-out', udp, ...to, verdict: { zone: APPLICATION_ZONE } })),
    { chain: 'zone-in', udp, sourcePort: DNS_PORT, verdict: zone },
  ];
}

function dnsAsked({ dnsServers }: Interception, family: Family): Pick<Rule, 'port' | 'destination'>[] {
  if (dnsServers === 'all') return [{ port: DNS_PORT }];
  return ofFamily(dnsServers, family).map((destination) => ({ port: DNS_PORT, destination }));
}

/**
 * The sidecar calls its application with its caller's address, and a mark. What the application answers to it bears the
 * mark again, and so comes back to the sidecar in place of the caller.
 */
function transparentRules(wanted: Interception): Rule[] {
  const [chain, mark] = ['mark-in', TPROXY_MARK] as const;
  return [
    { chain, mark, verdict: 'return' },
    { chain, fromLoopback: true, verdict: 'return' },
    { chain, established: true, verdict: 'return' },
    ...inputRules(chain, { transparentTo: wanted.inboundPort }, wanted),
    { chain: 'mark-out', mark, verdict: 'save-mark' },
    { chain: 'mark-out', connectionMark: mark, verdict: 'restore-mark' },
    { chain: 'output', mark, verdict: 'return' },
  ];
}

function inputRules(
  chain: RuleChain, verdict: Rule['verdict'], { includeInboundPorts, excludeInboundPorts }: Interception,
): Rule[] {
  const excluded = excludeInboundPorts.map((port): Rule => ({ chain, port, verdict: 'return' }));
  if (includeInboundPorts === 'all') return [...excluded, { chain, verdict }];
  return [...excluded, ...includeInboundPorts.map((port): Rule => ({ chain, port, verdict }))];
}

function outputRules(wanted: Interception, family: Family): Rule[] {
  const { uid, gid } = wanted;
  const [from, self] = [OWN_SOURCE[family], LOOPBACK[family]];
  const chain = 'output';
  const asked = dnsAsked(wanted, family);
  const own = asked.length === 0 ? [] : [{ uid }, { gid }];
  return [
    ...own.map((who): Rule => ({ chain, port: DNS_PORT, ...who, verdict: 'return' })),
    ...asked.map((to): Rule => ({ chain, ...to, verdict: { redirectTo: wanted.dnsPort } })),
    { chain, loopback: true, source: from, verdict: 'return' },
    // The sidecar that picks its own workload for the application goes through its inbound side, as any other does.
    { chain, loopback: true, notDestination: self, uid, verdict: 'to-inbound' },
    { chain, loopback: true, notDestination: self, gid, notUid: uid, verdict: 'to-inbound' },
    { chain, loopback: true, notUid: uid, notGid: gid, verdict: 'return' },
    { chain, uid, verdict: 'return' },
    { chain, gid, verdict: 'return' },
    { chain, destination: self, verdict: 'return' },
    ...wanted.excludeOutboundPorts.map((port): Rule => ({ chain, port, verdict: 'return' })),
    ...ofFamily(wanted.excludeOutboundCidrs, family).map((destination): Rule => (
      { chain, destination, verdict: 'return' })),
    ...wanted.includeOutboundPorts.map((port): Rule => ({ chain, port, verdict: 'to-outbound' })),
    ...included(wanted.includeOutboundCidrs, family),
  ];
}

function included(ranges: readonly string[] | 'all', family: Family): Rule[] {
  if (ranges === 'all') return [{ chain: 'output', verdict: 'to-outbound' }];
  return ofFamily(ranges, family).map((destination) => ({ chain: 'output', destination, verdict: 'to-outbound' }));
}

function ofFamily(ranges: readonly string[], family: Family): string[] {
  return ranges.filter((range) => isIP(range.split('/')[0] ?? '') === family);
}
