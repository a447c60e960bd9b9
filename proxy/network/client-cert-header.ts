// x-forwarded-client-cert: what is said to upstreams of the client's certificate, one element for each hop, in Envoy's
// form and order of keys.
import type { X509Certificate } from 'node:crypto';
import type { TlsInfo } from '../telemetry/stream-info.ts';

/** What is said of a client's certificate beside By and Hash (HCM set_current_client_cert_details). */
export interface ClientCertDetails {
  readonly subject: boolean;
  readonly uri: boolean;
  readonly dns: boolean;
  /** The certificate, and what was shown with it, as PEM in URL encoding. */
  readonly cert: boolean;
  readonly chain: boolean;
}

/** Writes this hop's element; made once for a connection, because all its requests have the same. */
export class ClientCertHeader {
  readonly #details: ClientCertDetails;
  readonly #elements = new WeakMap<TlsInfo, string>();

  constructor(details: ClientCertDetails) {
    this.#details = details;
  }

  /** The element for a client whose certificate was verified. */
  elementOf(tls: TlsInfo): string {
    let element = this.#elements.get(tls);
    if (element === undefined) this.#elements.set(tls, element = clientCertElement(tls, this.#details));
    return element;
  }
}

function clientCertElement(tls: TlsInfo, { subject, uri, dns, cert, chain }: ClientCertDetails): string {
  const parts: string[] = [];
  const { peerCertificates: certificates = [] } = tls;
  if (tls.localUriSan !== undefined) parts.push(`By=${valueOf(tls.localUriSan)}`);
  parts.push(`Hash=${tls.peerCertificateHash ?? ''}`);
  if (cert) parts.push(`Cert="${urlEncodedPem(certificates.slice(0, 1))}"`);
  if (chain) parts.push(`Chain="${urlEncodedPem(certificates)}"`);
  if (subject) parts.push(`Subject="${tls.peerSubject ?? ''}"`);
  if (uri) parts.push(...uriParts(tls));
  if (dns) for (const name of tls.peerDnsSans) parts.push(`DNS=${valueOf(name)}`);
  return parts.join(';');
}

/** The key is there without a name as well, as in Envoy. */
function uriParts({ peerUriSan, peerUriSans = peerUriSan === undefined ? [] : [peerUriSan] }: TlsInfo): string[] {
  return peerUriSans.length === 0 ? ['URI='] : peerUriSans.map((name) => `URI=${valueOf(name)}`);
}

/** PEM has no other characters that a header's value or a parser of elements could stumble over. */
function urlEncodedPem(certificates: readonly X509Certificate[]): string {
  return encodeURIComponent(certificates.map((certificate) => certificate.toString()).join(''));
}

/** A name may not end its element, nor begin another key, nor break the header; nothing signed says that it doesn't. */
function valueOf(name: string): string {
  let quoted = false;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f) return '';
    quoted ||= code === QUOTE || code === COMMA || code === SEMICOLON;
  }
  return quoted ? `"${name.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` : name;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;
