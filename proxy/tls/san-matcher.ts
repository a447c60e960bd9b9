// match_typed_subject_alt_names: which names of a peer's certificate are accepted, read from its DER (S50).
import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { CertificateFields } from '../../certs/x509.ts';
import { asciiLower } from '../base/ascii.ts';
import { parseIp } from '../base/cidr.ts';
import { compileStringMatch } from '../base/string-match.ts';
import type { StringMatch } from '../base/string-match.ts';
import type { SubjectAltNameMatcher } from '../config/tls.ts';

/** Whether a certificate has a name that is accepted. */
export interface SanMatcher {
  matches(fields: CertificateFields): boolean;
}

export function compileSanMatcher(config: SubjectAltNameMatcher, path: string): SanMatcher {
  const match = compileStringMatch(config.matcher, `${path}.matcher`);
  switch (config.sanType) {
    case 'URI':
      return { matches: ({ uriSans }) => uriSans.some((uri) => match.matches(uri)) };
    case 'DNS':
      return dnsMatcher(match, config.matcher.exact);
    case 'IP_ADDRESS':
      return { matches: ({ ipSans }) => ipSans.some((bytes) => match.matches(ipText(bytes))) };
    case 'EMAIL':
      return { matches: ({ emailSans }) => emailSans.some((email) => match.matches(email)) };
  }
}

/** An exact name is also met by a certificate's wildcard, as in Envoy. */
function dnsMatcher(match: StringMatch, exact: string | undefined): SanMatcher {
  const matches = ({ dnsSans }: CertificateFields): boolean => dnsSans.some((name) => match.matches(name));
  if (exact === undefined) return { matches };
  return { matches: (fields) => matches(fields) || hasDnsName(fields, exact) };
}

/** Whether the certificate names this host: an IP address among its IP names, else a DNS name. */
export function namesHost(fields: CertificateFields, host: string): boolean {
  if (isIP(host) === 0) return hasDnsName(fields, host);
  const wanted = parseIp(host);
  return fields.ipSans.some((bytes) => isDeepStrictEqual(parseIp(ipText(bytes)), wanted));
}

/** Without case; a wildcard stands for the whole first label and no more (RFC 6125 section 6.4.3). */
function hasDnsName({ dnsSans }: CertificateFields, host: string): boolean {
  const wanted = asciiLower(host);
  const dot = wanted.indexOf('.');
  const wildcard = dot > 0 ? `*${wanted.slice(dot)}` : undefined;
  return dnsSans.some((san) => {
    const name = asciiLower(san);
    return name === wanted || name === wildcard;
  });
}

/** 4 bytes dotted, 16 bytes in RFC 5952's form without its IPv4 endings; anything else is no address. */
export function ipText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return '';
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2));
  const [start, length] = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  return length < 2 ? hex.join(':') : `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function longestZeros(groups: readonly number[]): readonly [number, number] {
  let [best, length] = [0, 0];
  for (let i = 0; i < groups.length; i++) {
    let end = i;
    while (groups[end] === 0) end++;
    if (end - i > length) [best, length] = [i, end - i];
    i = Math.max(i, end - 1);
  }
  return [best, length];
}
