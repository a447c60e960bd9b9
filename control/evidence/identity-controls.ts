// IA-3, IA-5, SC-12, SC-13, SC-17: who is who, by which certificates, how they are renewed, and which cryptography.
import { shortId, sums, total } from './access-controls.ts';
import type { Observation } from './observe.ts';
import type { CertificateFacts, ProxyFacts } from './proxy-facts.ts';
import { statement, verdictOf, type Control, type Figure, type Statement } from './statement.ts';

const HOUR_MS = 3_600_000;
/** Longest life of a workload's certificate that counts as short. */
const LIFE_MS_MAX = 24 * HOUR_MS + 5 * 60_000;

export function identityControls(observation: Observation): Control[] {
  return [
    { id: 'IA-3', title: 'Device Identification and Authentication', statements: identification(observation) },
    { id: 'IA-5', title: 'Authenticator Management', statements: authenticators(observation) },
    { id: 'SC-12', title: 'Cryptographic Key Establishment and Management', statements: keys(observation) },
    { id: 'SC-13', title: 'Cryptographic Protection', statements: cryptography(observation) },
    { id: 'SC-17', title: 'Public Key Infrastructure Certificates', statements: certificates(observation) },
  ];
}

interface Leaf extends CertificateFacts {
  readonly proxy: ProxyFacts;
}

/** Certificates of workloads, by their SPIFFE identity. */
function leavesOf({ proxies }: Observation): Leaf[] {
  return proxies.flatMap((proxy) => proxy.leaves
    .filter(({ names }) => names.some((name) => name.startsWith('spiffe://'))).map((leaf) => ({ ...leaf, proxy })));
}

function leafFigures(leaves: readonly Leaf[], valueOf: (leaf: Leaf) => string): Figure[] {
  return leaves.map((leaf) => (
    { name: `certificate of ${shortId(leaf.proxy.id)}`, value: valueOf(leaf), source: `${leaf.proxy.url}/certs` }));
}

function identification(observation: Observation): Statement[] {
  const { proxies } = observation;
  const leaves = leavesOf(observation);
  const without = proxies.filter((proxy) => !leaves.some((leaf) => leaf.proxy === proxy));
  const handshakes = sums(proxies, 'handshakes', /^listener\.(?!.*worker_).*\.ssl\.handshake$/);
  const failed = sums(proxies, 'peers whose certificate was refused', /^listener\..*\.ssl\.fail_verify_.*$/);
  return [
    statement(verdictOf(proxies.length, without.length), proxies.length === 0 ? 'No proxy has answered.'
      : without.length === 0 ? `All ${proxies.length} proxies that answered have a certificate with a SPIFFE identity.`
      : `${without.length} proxies have no certificate with a SPIFFE identity: ${
        without.map(({ id }) => shortId(id)).join(', ')}.`,
      leafFigures(leaves, ({ names }) => names.join(' '))),
    statement(handshakes.length === 0 ? 'unknown' : 'holds', `${total(handshakes)} peers were authenticated in TLS `
      + `handshakes; ${total(failed)} were refused for their certificate.`, [...handshakes, ...failed]),
  ];
}

function authenticators(observation: Observation): Statement[] {
  const { nowMs, proxies } = observation;
  const leaves = leavesOf(observation);
  const long = leaves.filter(({ notBeforeMs, notAfterMs }) => notAfterMs - notBeforeMs > LIFE_MS_MAX);
  const expired = leaves.filter(({ notAfterMs }) => notAfterMs <= nowMs);
  const issued = sums(proxies, 'certificates taken', /^agent\.certificate_issued$/);
  const hours = ({ notBeforeMs, notAfterMs }: Leaf): string => `${((notAfterMs - notBeforeMs) / HOUR_MS).toFixed(1)} h`;
  return [
    statement(verdictOf(leaves.length, long.length),
      `${leaves.length - long.length} of ${leaves.length} certificates of workloads live no longer than a day.`,
      leafFigures(leaves, hours)),
    statement(verdictOf(leaves.length, expired.length), expired.length === 0 ? 'None has expired.'
      : `Expired: ${expired.map(({ proxy }) => shortId(proxy.id)).join(', ')}.`,
      leafFigures(leaves, ({ notAfterMs }) => new Date(notAfterMs).toISOString())),
    statement(issued.length === 0 ? 'unknown' : 'holds', `Since they started, proxies have taken ${total(issued)} `
      + `certificates, ${total(issued) - issued.length} of them by rotation.`, issued),
  ];
}

function keys({ audits }: Observation): Statement[] {
  const issuing = audits.filter(({ owner }) => owner === 'control plane');
  const issued = issuing.reduce((sum, { certificates: count }) => sum + count, 0);
  const kinds = [...new Set(issuing.flatMap(({ keyKinds }) => [...keyKinds]))];
  const source = issuing[0]?.folder ?? '';
  return [
    statement(issued === 0 ? 'unknown' : 'holds',
      `The authority has recorded ${issued} certificates that it issued, for `
      + `keys of: ${kinds.join(', ') || 'nobody'}.`, [{ name: 'issuances', value: issued, source }]),
    statement('unknown', 'Private keys of workloads are made in their proxies and are in no message; that is how the '
      + 'program is made, and no figure of a running mesh shows it.'),
  ];
}

function cryptography({ proxies }: Observation): Statement[] {
  const versions = new Map<string, number>();
  for (const { listeners } of proxies) {
    for (const version of listeners.flatMap(({ minVersions }) => minVersions)) {
      versions.set(version, (versions.get(version) ?? 0) + 1);
    }
  }
  const old = [...versions.keys()].filter((version) => version === 'TLSv1_0' || version === 'TLSv1_1');
  const count = [...versions.values()].reduce((sum, one) => sum + one, 0);
  return [
    statement(verdictOf(count, old.length), old.length === 0
      ? `None of ${count} server contexts takes a TLS version below 1.2.`
      : `Server contexts take ${old.join(', ')}.`,
      [...versions].map(([name, value]) => ({ name: `contexts from ${name}`, value, source: '/config_dump' }))),
    statement('unknown',
      'Which versions and suites were negotiated is not counted, and whether the cryptographic module '
      + 'is validated (FIPS 140) is not known to the mesh.'),
  ];
}

function certificates(observation: Observation): Statement[] {
  const leaves = leavesOf(observation);
  const odd = leaves.filter(({ names }) => names.filter((name) => name.startsWith('spiffe://')).length !== 1);
  const roots = new Map(observation.proxies.flatMap(({ roots: own, url }) =>
    own.map(({ serial, notAfterMs }) => [serial, { notAfterMs, url }] as const)));
  const mixed = observation.proxies.filter(({ roots: own }) => own.length > 0
    && new Set(own.map(({ serial }) => serial)).size !== roots.size);
  return [
    statement(verdictOf(roots.size, mixed.length), `${roots.size} roots are trusted${mixed.length === 0
      ? ', the same by every proxy' : `, and not by every proxy: ${mixed.map(({ id }) => shortId(id)).join(', ')}`}.`,
      [...roots].map(([serial, { notAfterMs, url }]) => (
        { name: `root ${serial}`, value: new Date(notAfterMs).toISOString(), source: `${url}/certs` }))),
    statement(verdictOf(leaves.length, odd.length), `${leaves.length - odd.length} of ${leaves.length} certificates of `
      + 'workloads name exactly one identity.', leafFigures(leaves, ({ serial }) => serial)),
  ];
}
