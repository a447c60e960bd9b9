// The certificate authority: turns a request and an authenticated identity into a leaf certificate, and says so.
import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import type { Clock } from '../proxy/base/clock.ts';
import { signCertificate } from './certificate.ts';
import type { CertificateSigner, CertificateTemplate, SubjectName } from './certificate.ts';
import { readCsr } from './csr.ts';
import { toPem } from './pem.ts';
import { LEAF_TTL_MS, leafTemplate } from './profile.ts';
import { formatSpiffeId } from './spiffe.ts';
import type { SpiffeId } from './spiffe.ts';
import type { CaStore } from './store.ts';
import { readCertificate } from './x509.ts';

/** One issuance, for the audit log. Serials are lower-case hex. */
export interface IssuanceRecord {
  readonly atMs: number;
  readonly identity: string;
  readonly serial: string;
  readonly notAfterMs: number;
  /** `ec prime256v1` or `rsa 2048`. */
  readonly key: string;
  /** Who asked: a peer's address, or what in this process. */
  readonly caller: string;
}

export interface AuthorityOptions {
  readonly store: CaStore;
  readonly clock: Clock;
  /** Longest life of a leaf, also given when none is asked for. Default 24 h. */
  readonly ttlMsMax?: number;
  /** Called before a certificate is handed out; when it throws, none is. */
  readonly audit: (record: IssuanceRecord) => void;
}

export interface IssueRequest {
  /** PKCS #10 in PEM; only its key is used. */
  readonly csr: string;
  /** Who the caller is, as authenticated: the only source of the certificate's name. */
  readonly identity: SpiffeId;
  /** Asked life; 0 or absent for the longest. */
  readonly ttlMs?: number;
  readonly caller: string;
}

/** PEM certificates: `chain` is the leaf and the intermediates, each one entry. */
export interface Issued {
  readonly chain: readonly string[];
  readonly serial: string;
  readonly notAfterMs: number;
}

export type IssueResult = { readonly issued: Issued } | { readonly fault: string };

/** A server's own certificate with its key, both PEM. */
export interface ServerIdentity {
  readonly chain: string;
  readonly key: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export class CertificateAuthority {
  readonly #clock: Clock;
  readonly #ttlMsMax: number;
  readonly #audit: (record: IssuanceRecord) => void;
  #store: CaStore;
  #signer: CertificateSigner;
  readonly #listeners: (() => void)[] = [];

  constructor(options: AuthorityOptions) {
    this.#clock = options.clock;
    this.#ttlMsMax = options.ttlMsMax ?? LEAF_TTL_MS;
    this.#audit = options.audit;
    this.#store = options.store;
    this.#signer = signerOf(options.store);
  }

  /** Signs by another state of the store from now on: after a switch by another key, under another root. */
  use(store: CaStore): void {
    this.#signer = signerOf(store);
    this.#store = store;
    for (const listener of this.#listeners) listener();
  }

  /** Called after each change of what signs and what is trusted. */
  subscribe(listener: () => void): void {
    this.#listeners.push(listener);
  }

  get trustDomain(): string {
    return this.#store.trustDomain;
  }

  /** The trust bundle as one PEM text; the root of what is issued now comes first. */
  get roots(): string {
    return this.#store.roots.map(String).join('');
  }

  /** A workload's certificate. Everything wrong with the request is a fault in words; nothing of it is thrown. */
  issue(request: IssueRequest): IssueResult {
    const csr = readCsr(request.csr);
    if ('fault' in csr) return csr;
    if (request.identity.trustDomain !== this.trustDomain) {
      return { fault: `the caller is of trust domain ${request.identity.trustDomain}, not of ${this.trustDomain}` };
    }
    return { issued: this.#sign(this.#template(csr.publicKey, request.identity, request.ttlMs), request) };
  }

  /** A certificate with a new key for a server of this process, reachable by `hosts` (DNS names or addresses). */
  issueServer(identity: SpiffeId, hosts: readonly string[]): ServerIdentity {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const template = this.#template(publicKey, identity, undefined, hosts.map(hostName));
    const issued = this.#sign(template, { identity, caller: 'own server' });
    return {
      chain: issued.chain.join(''),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      notBeforeMs: template.notBeforeMs,
      notAfterMs: issued.notAfterMs,
    };
  }

  #template(key: KeyObject, identity: SpiffeId, askedMs = 0, more: readonly SubjectName[] = []): CertificateTemplate {
    const now = this.#clock.wallMs();
    const ttlMs = askedMs > 0 ? Math.min(askedMs, this.#ttlMsMax) : this.#ttlMsMax;
    // A leaf that outlives its issuer would break before its holder renews it.
    const left = this.#store.certificate.validToDate.getTime() - now;
    return leafTemplate(key, identity, now, Math.min(ttlMs, left), more);
  }

  #sign(template: CertificateTemplate, asked: { readonly identity: SpiffeId; readonly caller: string }): Issued {
    const leaf = new X509Certificate(toPem('CERTIFICATE', signCertificate(template, this.#signer)));
    const serial = leaf.serialNumber.toLowerCase();
    const notAfterMs = leaf.validToDate.getTime();
    this.#audit({
      atMs: this.#clock.wallMs(), identity: formatSpiffeId(asked.identity), serial, notAfterMs,
      key: keyLabel(template.publicKey), caller: asked.caller,
    });
    return { chain: [leaf, ...this.#store.intermediates].map(String), serial, notAfterMs };
  }
}

function signerOf({ key, certificate }: CaStore): CertificateSigner {
  const fields = readCertificate(certificate.raw);
  if (fields === undefined) throw new Error('the authority has a certificate that is not strict DER');
  return { key, name: fields.subject, keyId: fields.subjectKeyId };
}

/** One line for people and grep; there is nothing secret in it. */
export function auditLine(record: IssuanceRecord): string {
  const until = new Date(record.notAfterMs).toISOString();
  const what = `identity=${record.identity} serial=${record.serial} until=${until} key="${record.key}"`;
  return `${new Date(record.atMs).toISOString()} issued ${what} caller=${record.caller}`;
}

function keyLabel(key: KeyObject): string {
  const details = key.asymmetricKeyDetails;
  return `${key.asymmetricKeyType} ${details?.namedCurve ?? details?.modulusLength}`;
}

function hostName(host: string): SubjectName {
  return isIP(host) === 0 ? { dns: host } : { ip: host };
}
