// Certificate signing requests (PKCS #10, RFC 2986): written by the node agent, read by the CA.
import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { algorithmIdentifier, extension, generalNames, publicKeyDer } from './certificate.ts';
import { DerTag, contentsOf, encodingOf, itemsOf, oidOf, readWhole } from './der.ts';
import type { DerElement } from './der.ts';
import { bitString, integer, oid, parsed, sequence, setOf, tagged, toDer } from './der-writer.ts';
import { Oid } from './oid.ts';
import { pemBlocks, toPem } from './pem.ts';
import { keyFault, signDer, verifyDer } from './signature-algorithm.ts';
import { formatSpiffeId } from './spiffe.ts';
import type { SpiffeId } from './spiffe.ts';

/** Longest request that is read, as PEM text. */
export const CSR_BYTES_MAX = 32_768;

const CSR_LABEL = 'CERTIFICATE REQUEST';

/** What a CA takes from a request, or why it takes nothing. */
export type CsrResult = { readonly publicKey: KeyObject } | { readonly fault: string };

/**
 * A request in PEM for the key's certificate. The subject is empty; the identity is named for CAs that want to see it,
 * and a CA that is right does not believe it.
 */
export function createCsr(privateKey: KeyObject, identity: SpiffeId): string {
  const names = extension(Oid.subjectAltName, true, generalNames([{ uri: formatSpiffeId(identity) }]));
  const info = sequence(
    integer(Buffer.of(0)),
    sequence(),
    parsed(publicKeyDer(privateKey)),
    tagged(0, sequence(oid(Oid.extensionRequest), setOf(sequence(names)))),
  );
  const signature = signDer(privateKey, toDer(info));
  return toPem(CSR_LABEL, toDer(sequence(info, algorithmIdentifier(privateKey), bitString(signature))));
}

/**
 * Reads a request and verifies that its sender has the private key. Only the key is taken from it: subject, names and
 * every other extension that it asks for are not even read (S59). Never throws.
 */
export function readCsr(pem: string): CsrResult {
  if (pem.length > CSR_BYTES_MAX) return { fault: `the request is longer than ${CSR_BYTES_MAX} bytes` };
  const blocks = pemBlocks(pem, CSR_LABEL);
  if (blocks?.length !== 1) return { fault: `expected one PEM block of type ${CSR_LABEL}` };
  const [info, algorithm, signature, more] = itemsOf(readWhole(blocks[0]!, DerTag.sequence)) ?? [];
  const key = itemsOf(info)?.[2];
  const complete = key?.tag === DerTag.sequence && signature?.tag === DerTag.bitString && more === undefined;
  if (info === undefined || !complete) return { fault: 'the request is not a PKCS #10 structure in DER' };
  return verifyCsr(info, oidOf(itemsOf(algorithm)?.[0]), contentsOf(signature), encodingOf(key));
}

function verifyCsr(info: DerElement, algorithm: string | undefined, signature: Buffer, spki: Buffer): CsrResult {
  const publicKey = readPublicKey(spki);
  if (publicKey === undefined) return { fault: 'the public key of the request cannot be read' };
  const fault = keyFault(publicKey);
  if (fault !== undefined) return { fault };
  // The first octet of a BIT STRING counts unused bits: none in a signature.
  const whole = signature[0] === 0 && algorithm !== undefined;
  if (!whole || !verifyDer(algorithm, publicKey, encodingOf(info), signature.subarray(1))) {
    return { fault: 'the signature of the request is not by its key, or its algorithm is not ECDSA or RSA with SHA-2' };
  }
  return { publicKey };
}

function readPublicKey(spki: Buffer): KeyObject | undefined {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}
