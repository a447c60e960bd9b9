// Our judgement of a peer's certificate, after OpenSSL's of its chain: the SVID rules, accepted names, pins (S50, S51).
import { createHash } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';
import { parseSpiffeId } from '../../certs/spiffe.ts';
import { readCertificate, svidFault } from '../../certs/x509.ts';
import type { CertificateFields } from '../../certs/x509.ts';
import { chainEndMs, shownChain } from './peer-chain.ts';
import { namesHost } from './san-matcher.ts';
import { bundleFault } from './trust-domains.ts';
import type { PeerTrustLedger } from './peer-trust.ts';
import type { ValidationMaterial } from './validation-material.ts';

/** Which of Envoy's counters a refusal belongs to: ssl.fail_verify_<this>. */
export type VerifyFailure = 'no_cert' | 'error' | 'san' | 'cert_hash';

/** Why a peer is refused, in words for the log. */
export class PeerRefusal {
  readonly failure: VerifyFailure;
  readonly reason: string;

  constructor(failure: VerifyFailure, reason: string) {
    this.failure = failure;
    this.reason = reason;
  }
}

/** The names of a peer that was verified. */
export interface PeerIdentity {
  readonly uriSan: string | undefined;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  /** As %DOWNSTREAM_PEER_SUBJECT% shows it. */
  readonly subject: string | undefined;
  /** SHA-256 of the certificate's DER, lower-case hex. */
  readonly certificateHash: string;
  /** The certificate and what was shown after it. */
  readonly certificates: readonly X509Certificate[];
  /** Unix time in milliseconds after which this peer would be refused: the first end among its certificates. */
  readonly endMs: number;
}

/** What the handshake left to be judged. */
export interface PeerEvidence {
  readonly certificate: X509Certificate;
  /** OpenSSL's verdict on the chain: an error code, or undefined when it is trusted. */
  readonly chainError: string | undefined;
  /** A resumed session carries the certificate of the first handshake, whose time OpenSSL does not look at again. */
  readonly resumed: boolean;
  /** Unix times in milliseconds: now, and when OpenSSL looked at the chain, if that was before. */
  readonly nowMs: number;
  readonly verifiedMs?: number | undefined;
  /** A host that the certificate must name, beside the configured names (auto_san_validation). */
  readonly requiredName?: string | undefined;
  /** A server that is shown no SVID of ours: no workload of a mesh, which must be fit for both sides (S51). */
  readonly isOutside?: boolean;
}

/** Whether a server is outside of the mesh for a client that shows it these certificates. */
export function isOutsideOf(shown: readonly { readonly uriSan: string | undefined }[]): boolean {
  return !shown.some(({ uriSan }) => uriSan !== undefined && isSpiffe(uriSan));
}

/** The peer's identity, or why it is refused. Every check runs on resumed sessions as well (S53). */
export function verifyPeer(validation: ValidationMaterial, evidence: PeerEvidence): PeerIdentity | PeerRefusal {
  const { certificate } = evidence;
  const chain = shownChain(certificate);
  if (chain === undefined) return new PeerRefusal('error', 'the certificate chain is too long');
  const endMs = chainEndMs(chain, evidence.verifiedMs ?? evidence.nowMs);
  const untrusted = chainRefusal(validation, evidence, endMs);
  if (untrusted !== undefined) return new PeerRefusal('error', untrusted);
  const fields = readCertificate(certificate.raw);
  if (fields === undefined) return new PeerRefusal('error', 'the certificate is not readable as DER');
  if (fields.ca) return new PeerRefusal('error', 'the certificate is a CA certificate');
  const { trustDomains, sanMatchers } = validation;
  const isSvid = trustDomains !== undefined || fields.uriSans.some(isSpiffe);
  const svid = isSvid ? svidFault(certificate.raw, evidence.isOutside && trustDomains === undefined)
    : undefined;
  if (svid !== undefined) return new PeerRefusal('san', svid);
  if (trustDomains !== undefined) {
    const fault = bundleFault(trustDomains, parseSpiffeId(fields.uriSans[0]!)!, chain, evidence.nowMs);
    if (fault !== undefined) return new PeerRefusal('error', fault);
  }
  if (!pinned(validation, fields, certificate.raw)) return new PeerRefusal('cert_hash', 'no pin fits the certificate');
  // Among SVIDs the id alone is a name, as for Envoy's validator.
  const named = trustDomains === undefined ? fields : { ...fields, dnsSans: [], emailSans: [], ipSans: [] };
  if (sanMatchers.length > 0 && !sanMatchers.some((matcher) => matcher.matches(named))) {
    return new PeerRefusal('san', `no accepted name among ${namesText(fields)}`);
  }
  const { requiredName } = evidence;
  if (requiredName !== undefined && !namesHost(fields, requiredName)) {
    return new PeerRefusal('san', `${JSON.stringify(requiredName)} is not among ${namesText(fields)}`);
  }
  const { uriSans, dnsSans } = fields;
  const uriSan = uriSans.length === 1 ? uriSans[0] : undefined;
  const certificateHash = createHash('sha256').update(certificate.raw).digest('hex');
  const subject = subjectText(certificate.subject);
  return { uriSan, uriSans, dnsSans, subject, certificateHash, certificates: chain, endMs };
}

/** The identity, unless its root was removed while the handshake was under way (F05). */
export function overtaken<T extends PeerIdentity | PeerRefusal | undefined>(
  found: T, trust: PeerTrustLedger, removals: number,
): T | PeerRefusal {
  if (found === undefined || found instanceof PeerRefusal) return found;
  if (trust.stillTrusts(removals, found.certificates)) return found;
  return new PeerRefusal('error', 'the root of the certificate was removed during the handshake');
}

function chainRefusal(validation: ValidationMaterial, evidence: PeerEvidence, endMs: number): string | undefined {
  const { certificate, chainError, resumed, nowMs } = evidence;
  if (validation.trustedCa === undefined) return undefined;
  if (chainError !== undefined) return chainError;
  // OpenSSL goes by the system's clock, and not at all for a resumed session: this is by ours (S58, F21).
  const whose = resumed ? 'the certificate of the resumed session' : 'the certificate';
  if (nowMs > endMs) return `${whose} is out of date since ${new Date(endMs).toISOString()}`;
  const beginMs = certificate.validFromDate.getTime();
  return nowMs < beginMs ? `${whose} is not valid before ${new Date(beginMs).toISOString()}` : undefined;
}

/** Whoever says spiffe, in any case of letters, is held to the rules of an SVID. */
function isSpiffe(uri: string): boolean {
  return uri.slice(0, 7).toLowerCase() === 'spiffe:';
}

/**
 * `CN=a,O=b`, last first (RFC 2253), of the runtime's one-per-line form, which has escaped what is special in a value;
 * for display, never for decisions.
 */
function subjectText(subject: string | undefined): string | undefined {
  if (subject === undefined || subject === '') return undefined;
  const names = subject.split('\n').toReversed().map((name) => name.split(' + ').toReversed().join('+'));
  return names.join(',').replaceAll(/[^\x20-\x7e]/gu, (character) => (
    [...Buffer.from(character)].map((byte) => `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
  ));
}

/** No pins, or one of them fits; a pin of either kind will do, as in Envoy. */
function pinned(validation: ValidationMaterial, fields: CertificateFields, der: Buffer): boolean {
  const { spkiPins, certificatePins } = validation;
  if (spkiPins.size === 0 && certificatePins.size === 0) return true;
  return spkiPins.has(createHash('sha256').update(fields.publicKey).digest('base64'))
    || certificatePins.has(createHash('sha256').update(der).digest('hex'));
}

/** A few names for the log; foreign bytes are escaped by JSON. */
function namesText(fields: CertificateFields): string {
  const names = [...fields.uriSans, ...fields.dnsSans].slice(0, 4).map((name) => JSON.stringify(name.slice(0, 200)));
  return names.length === 0 ? 'none' : names.join(', ');
}
