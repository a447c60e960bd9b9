// AC-3, AC-4, SC-7, SC-8, SC-23: who may call whom, across which boundary, and whether it was encrypted.
import type { Observation } from './observe.ts';
import { fromOthers, trafficOf, type ListenerTraffic } from './plaintext.ts';
import type { ProxyFacts } from './proxy-facts.ts';
import { statement, verdictOf, type Control, type Figure, type Statement } from './statement.ts';

/** Listeners that take connections of others. */
function taken(observation: Observation): ListenerTraffic[] {
  return observation.proxies.flatMap(trafficOf).filter(fromOthers);
}

function placeOf({ proxy, listener }: ListenerTraffic): string {
  return `${shortId(proxy.id)} ${listener.name}`;
}

/** `reviews-v1.default` of a node id. */
export function shortId(id: string): string {
  return id.split('~')[2] ?? id;
}

function dumpFigure(name: string, value: number, proxies: readonly ProxyFacts[]): Figure {
  return { name, value, source: `/config_dump of ${proxies.length} proxies` };
}

/** The sum of every statistic that fits, of each proxy that has any. */
export function sums(proxies: readonly ProxyFacts[], name: string, form: RegExp): Figure[] {
  return proxies.flatMap(({ id, url, stats }) => {
    const found = [...stats].filter(([stat]) => form.test(stat));
    const value = found.reduce((sum, [, count]) => sum + count, 0);
    const source = `${url}/stats ${form.source}`;
    return found.length === 0 ? [] : [{ name: `${name} at ${shortId(id)}`, value, source }];
  });
}

export function total(figures: readonly Figure[]): number {
  return figures.reduce((sum, { value }) => sum + (typeof value === 'number' ? value : 0), 0);
}

/** Of filters, not of their policies, which count the same once more, nor of dry runs. */
const DENIED = /(^|\.)rbac\.(?!(.*\.)?policy\.)((?!shadow_).*\.)?denied$/;
const ALLOWED = /(^|\.)rbac\.(?!(.*\.)?policy\.)((?!shadow_).*\.)?allowed$/;

export function accessControls(observation: Observation): Control[] {
  return [
    { id: 'AC-3', title: 'Access Enforcement', statements: accessEnforcement(observation) },
    { id: 'AC-4', title: 'Information Flow Enforcement', statements: flowEnforcement(observation) },
    { id: 'SC-7', title: 'Boundary Protection', statements: boundary(observation) },
    { id: 'SC-8', title: 'Transmission Confidentiality and Integrity', statements: transmission(observation) },
    { id: 'SC-23', title: 'Session Authenticity', statements: sessions(observation) },
  ];
}

function accessEnforcement(observation: Observation): Statement[] {
  const { proxies } = observation;
  const listeners = taken(observation).filter(({ proxy }) => !proxy.isGateway);
  const open = listeners.filter(({ listener }) => !listener.authorizes);
  const [denied, allowed] = [sums(proxies, 'denied', DENIED), sums(proxies, 'allowed', ALLOWED)];
  const count = dumpFigure('listeners of workloads with authorization', listeners.length - open.length, proxies);
  return [
    statement(verdictOf(listeners.length, open.length), listeners.length === 0 ? 'No listener of a workload was seen.'
      : open.length === 0
        ? `All ${listeners.length} listeners of workloads ask an authorization policy before they let anything on.`
        : `${open.length} of ${listeners.length} listeners of workloads ask no authorization policy: `
          + `${open.map(placeOf).join(', ')}.`, [count]),
    statement(denied.length + allowed.length === 0 ? 'unknown' : 'holds',
      `Since they started, proxies have let ${total(allowed)} requests or connections on by policy and turned `
      + `${total(denied)} away.`, [...denied, ...allowed]),
  ];
}

function flowEnforcement(observation: Observation): Statement[] {
  const { proxies } = observation;
  const listeners = taken(observation);
  const gated = listeners.filter(({ listener }) => listener.networkPolicy);
  const denied = sums(proxies, 'refused by NetworkPolicy', /^network_policy\.rbac\.denied$/);
  return [
    statement(verdictOf(listeners.length, listeners.length - gated.length),
      `${gated.length} of ${listeners.length} listeners have a NetworkPolicy in front, by which ${total(denied)} `
      + 'connections were refused.', [dumpFigure('listeners with a NetworkPolicy', gated.length, proxies), ...denied]),
    statement('unknown',
      'What workloads send without their sidecar is not seen: whether they can is a matter of the host or cluster.'),
  ];
}

function boundary(observation: Observation): Statement[] {
  const { proxies, silent } = observation;
  const gateways = proxies.filter(({ isGateway }) => isGateway);
  const listeners = gateways.flatMap(trafficOf);
  const admins = proxies.filter(({ url }) => !/^http:\/\/(127\.|\[::1\]|localhost)/.test(url));
  return [
    statement(gateways.length === 0 ? 'unknown' : 'holds',
      `${gateways.length} gateways have ${listeners.length} listeners: ${listeners.map((one) =>
        `${placeOf(one)} (${one.listener.transport}, ${one.connections} connections)`).join(', ') || 'none'}.`,
      listeners.flatMap(({ figures }) => figures.slice(0, 1))),
    statement(verdictOf(proxies.length, admins.length), admins.length === 0
      ? `The admin interfaces of all ${proxies.length} proxies were reached on loopback addresses.`
      : `${admins.length} admin interfaces answer on other addresses than loopback.`,
      proxies.map(({ id, url }) => ({ name: `admin of ${shortId(id)}`, value: url, source: url }))),
    ...silent.map(({ id, url, reason }) =>
      statement('unknown', `${shortId(id)} could not be asked: ${reason}.`,
        [{ name: 'admin', value: url, source: url }])),
  ];
}

function transmission(observation: Observation): Statement[] {
  const listeners = taken(observation);
  const clear = listeners.filter(({ plaintext }) => plaintext > 0);
  const able = listeners.filter(({ listener }) => listener.transport === 'both' || listener.transport === 'plaintext');
  const refused = listeners.filter((one) => one.refused > 0);
  const handshakes = listeners.reduce((sum, one) => sum + one.handshakes, 0);
  return [
    statement(verdictOf(listeners.length, clear.length),
      `${handshakes} TLS handshakes were completed; ${clear.length === 0 ? 'no connection was' : `${
        clear.reduce((sum, one) => sum + one.plaintext, 0)} connections were`} taken in plaintext.`,
      listeners.flatMap(({ figures }) => figures.slice(0, 2))),
    ...clear.map((one) => statement('fails',
      `Plaintext was observed: ${one.plaintext} of ${one.connections} connections to ${placeOf(one)}.`, one.figures)),
    statement(verdictOf(listeners.length, able.length), able.length === 0 ? 'No listener would take plaintext.'
      : `${able.length} listeners would take plaintext: ${able.map(placeOf).join(', ')}.`,
      [dumpFigure('listeners that take plaintext', able.length, observation.proxies)]),
    ...refused.map((one) => statement('holds', `${one.refused} connections to ${placeOf(one)} were refused before a `
      + 'handshake was over: plaintext, or TLS that failed.', one.figures)),
    ...clearRequests(observation),
    ...clearControl(observation),
    statement('unknown', 'Between a sidecar and its own application bytes are not encrypted; they do not leave the '
      + 'workload, and are not counted here.'),
  ];
}

function clearRequests({ proxies }: Observation): Statement[] {
  return proxies.flatMap((proxy) => proxy.requests.filter(({ policy }) => policy === 'none').map((row) =>
    statement('fails', `${row.count} requests came to ${row.destination} in plaintext, from ${
      row.source === 'unknown' ? 'somebody without an identity' : row.source}.`, [{
      name: 'istio_requests_total{connection_security_policy="none"}', value: row.count,
      source: `${proxy.url}/stats/prometheus`,
    }])));
}

function clearControl({ proxies }: Observation): Statement[] {
  const clear = proxies.flatMap(({ id, url, plaintextControl: value }) => (value === undefined ? []
    : [{ name: `management server of ${shortId(id)}`, value, source: `${url}/config_dump bootstrap` }]));
  if (clear.length === 0) return [];
  const servers = [...new Set(clear.map(({ value }) => value))].join(', ');
  const text = `${clear.length} proxies take their configuration in plaintext, from ${servers}.`;
  return [statement('fails', `${text} Keys are not in it: those come over TLS.`, clear)];
}

function sessions(observation: Observation): Statement[] {
  const listeners = taken(observation).filter(({ listener }) => listener.transport !== 'plaintext');
  const resuming = listeners.filter(({ listener }) => listener.resumes);
  const resumed = sums(observation.proxies, 'sessions resumed', /^listener\..*ssl\.session_reused$/);
  const anonymous = listeners.filter(({ proxy, listener }) =>
    !proxy.isGateway && listener.transport !== 'passthrough' && !listener.asksCertificate);
  return [
    statement(verdictOf(listeners.length, resuming.length), resuming.length === 0
      ? 'No listener resumes TLS sessions: each connection proves its identity anew.'
      : `${resuming.length} listeners may resume TLS sessions: ${resuming.map(placeOf).join(', ')}.`,
      [dumpFigure('listeners that resume', resuming.length, observation.proxies), ...resumed]),
    statement(verdictOf(listeners.length, anonymous.length), anonymous.length === 0
      ? 'Workloads take no TLS connection without a client certificate.'
      : `${anonymous.length} listeners of workloads take TLS without a client certificate: `
        + `${anonymous.map(placeOf).join(', ')}.`,
      [dumpFigure('listeners without client certificates', anonymous.length, observation.proxies)]),
  ];
}
