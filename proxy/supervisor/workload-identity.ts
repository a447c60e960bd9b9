// One round of getting a certificate: a new key, a request, and a hard look at the answer.
import { generateKeyPair } from 'node:crypto';
import type { KeyObject, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { chainFault, readCertificates } from '../../certs/chain.ts';
import { createCsr } from '../../certs/csr.ts';
import { formatSpiffeId, parseSpiffeId, workloadSpiffeId } from '../../certs/spiffe.ts';
import type { SpiffeId } from '../../certs/spiffe.ts';
import { spiffeIdOf, svidFault } from '../../certs/x509.ts';
import { readShort } from '../base/short-file.ts';
import type { AgentConfig } from './agent-config.ts';
import type { RequestCertificate } from './ca-client.ts';
import type { TrustAnchors } from './trust-anchors.ts';

/** A certificate that passed every check, with its key. Texts are PEM. */
export interface WorkloadIdentity {
  readonly spiffeId: string;
  readonly certificateChain: string;
  readonly privateKey: string;
  readonly chain: readonly X509Certificate[];
  /** The trust bundle as the authority gave it. */
  readonly roots: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const TOKEN_BYTES_MAX = 16_384;
const BUNDLE_BYTES_MAX = 1_048_576;

const newKeyPair = promisify(generateKeyPair);

/** What a caller of the authority shows and trusts. */
export interface CallerMaterial {
  readonly token: string;
  readonly identity: SpiffeId;
  readonly trusted: readonly X509Certificate[];
}

/** Token and roots as they are now. Rejects with an Error that names the file. */
export async function readMaterial(config: AgentConfig, anchors: TrustAnchors): Promise<CallerMaterial> {
  const token = (await readShort(config.tokenFile, TOKEN_BYTES_MAX)).trim();
  const identity = tokenIdentity(token, config.trustDomain);
  if (identity === undefined) {
    throw new Error(`${config.tokenFile}: not the token of a workload of trust domain ${config.trustDomain}`);
  }
  const trusted = anchors.with(await readShort(config.rootFile, BUNDLE_BYTES_MAX));
  if (trusted === undefined) throw new Error(`${config.rootFile}: no root certificate in PEM`);
  return { token, identity, trusted };
}

/** Rejects with an Error in words when anything is not as it should be; nothing is kept of a failed round. */
export async function obtainIdentity(
  config: AgentConfig, anchors: TrustAnchors, request: RequestCertificate, nowMs: number, signal: AbortSignal,
): Promise<WorkloadIdentity> {
  const { token, identity, trusted } = await readMaterial(config, anchors);
  const { privateKey } = await newKeyPair('ec', { namedCurve: 'prime256v1' });
  const csr = createCsr(privateKey, identity);
  const answer = await request({ address: config.address, roots: trusted.map(String).join(''), token, csr, signal });
  return judge(answer, { identity, privateKey, trusted, nowMs });
}

/**
 * Whose token it is, unverified, as the authority will say: a SPIFFE id of the trust domain, or Kubernetes'
 * `system:serviceaccount:NS:SA`.
 */
export function tokenIdentity(token: string, trustDomain: string): SpiffeId | undefined {
  const subject = subjectOf(token);
  if (subject === undefined) return undefined;
  const [system, kind, namespace, account, more] = subject.split(':', 5);
  if (system === 'system' && kind === 'serviceaccount' && more === undefined) {
    return workloadSpiffeId(trustDomain, namespace ?? '', account ?? '');
  }
  const identity = parseSpiffeId(subject);
  return identity?.trustDomain === trustDomain ? identity : undefined;
}

function subjectOf(token: string): string | undefined {
  const [, payload, signature] = token.split('.', 3);
  if (payload === undefined || signature === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    const subject = typeof claims === 'object' && claims !== null && 'sub' in claims ? claims.sub : undefined;
    return typeof subject === 'string' ? subject : undefined;
  } catch {
    return undefined;
  }
}

interface Expected {
  readonly identity: SpiffeId;
  readonly privateKey: KeyObject;
  readonly trusted: readonly X509Certificate[];
  readonly nowMs: number;
}

/** A wrong answer must not replace what works (F22): key, identity, usages, chain and roots are checked. */
function judge(answer: readonly string[], expected: Expected): WorkloadIdentity {
  const certificates = readCertificates(answer.join('\n'));
  const leaf = certificates?.[0];
  if (certificates === undefined || leaf === undefined) throw refusal('holds no certificate that can be read');
  const issuers = certificates.slice(1);
  const roots = issuers.filter((certificate) => certificate.checkIssued(certificate));
  const chain = [leaf, ...issuers.filter((certificate) => !roots.includes(certificate))];
  if (roots.length === 0) roots.push(...expected.trusted);
  const fault = leafFault(leaf, expected)
    ?? outside(chainFault(chain, expected.trusted, expected.nowMs), 'root_file')
    ?? outside(chainFault(chain, roots, expected.nowMs), 'the bundle that came with it');
  if (fault !== undefined) throw refusal(fault);
  return {
    spiffeId: formatSpiffeId(expected.identity),
    chain,
    certificateChain: chain.map(String).join(''),
    privateKey: expected.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    roots: roots.map(String).join(''),
    notBeforeMs: leaf.validFromDate.getTime(),
    notAfterMs: leaf.validToDate.getTime(),
  };
}

function leafFault(leaf: X509Certificate, { identity, privateKey }: Expected): string | undefined {
  if (!leaf.checkPrivateKey(privateKey)) return 'is for another key';
  const fault = svidFault(leaf.raw);
  if (fault !== undefined) return `is not a workload's: ${fault}`;
  const found = spiffeIdOf(leaf.raw);
  const [name, wanted] = [found === undefined ? 'nobody' : formatSpiffeId(found), formatSpiffeId(identity)];
  return name === wanted ? undefined : `is for ${name}, not for ${wanted}`;
}

function outside(fault: string | undefined, roots: string): string | undefined {
  return fault === undefined ? undefined : `is not good with the roots of ${roots}: ${fault}`;
}

function refusal(fault: string): Error {
  return new Error(`the authority's certificate ${fault}`);
}
