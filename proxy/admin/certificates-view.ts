// /certs: names and lifetimes of the certificates in use; keys are never looked at.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { DataSource } from '../config/data-source.ts';
import type { AdminResponse } from './admin-response.ts';
import { json } from './admin-response.ts';
import type { AdminSource } from './admin-source.ts';

const DAY_MS = 86_400_000;
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** A bundle beyond is cut: this page is for people. */
const CERTIFICATES_MAX = 100;
const DEPTH_MAX = 64;

/** The certificates of one TLS context or secret. */
export interface CertificateSet {
  readonly roots: DataSource[];
  readonly chains: DataSource[];
}

export function certificatesResponse(source: AdminSource): AdminResponse {
  const { secrets, clusters, listeners } = source.config();
  const sets = [...secrets, ...clusters, ...listeners].flatMap(({ resource }) => certificateSets(resource));
  const now = source.clock.wallMs();
  const views = sets.map(({ roots, chains }) => ({
    ca_cert: roots.flatMap((data) => certificateViews(data, now)),
    cert_chain: chains.flatMap((data) => certificateViews(data, now)),
  }));
  return json({ certificates: views });
}

/** Every object that holds certificates of its own: secrets and TLS contexts. */
export function certificateSets(resource: unknown): CertificateSet[] {
  return setsIn(resource, 0);
}

function setsIn(value: unknown, depth: number): CertificateSet[] {
  if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return [];
  if (Array.isArray(value)) return value.flatMap((item) => setsIn(item, depth + 1));
  const set: CertificateSet = { roots: [], chains: [] };
  const below: CertificateSet[] = [];
  for (const [key, member] of Object.entries(value)) {
    if (key === 'certificateChain') set.chains.push(member as DataSource);
    else if (key === 'trustedCa') set.roots.push(member as DataSource);
    else below.push(...setsIn(member, depth + 1));
  }
  return set.roots.length + set.chains.length === 0 ? below : [set, ...below];
}

function certificateViews(data: DataSource, nowMs: number): unknown[] {
  const path = data.filename ?? '<inline>';
  return certificatePems(data).map((pem) => certificateView(pem, path, nowMs));
}

/** The certificates behind a DataSource, in its order; none when it cannot be read. */
export function certificatePems(data: DataSource): string[] {
  return (pemOf(data).match(PEM) ?? []).slice(0, CERTIFICATES_MAX);
}

function pemOf({ filename, inlineString, inlineBytes, environmentVariable }: DataSource): string {
  if (inlineString !== undefined) return inlineString;
  if (inlineBytes !== undefined) return Buffer.from(inlineBytes, 'base64').toString('latin1');
  if (environmentVariable !== undefined) return process.env[environmentVariable] ?? '';
  try {
    return readFileSync(filename ?? '', 'latin1');
  } catch {
    return '';
  }
}

function certificateView(pem: string, path: string, nowMs: number): unknown {
  try {
    const certificate = new X509Certificate(pem);
    const { serialNumber, subjectAltName = '', validFromDate, validToDate } = certificate;
    return {
      path,
      serial_number: serialNumber.toLowerCase(),
      subject_alt_names: subjectAltName === '' ? [] : subjectAltName.split(', ').map(altName),
      days_until_expiration: String(Math.max(0, Math.floor((validToDate.getTime() - nowMs) / DAY_MS))),
      valid_from: validFromDate.toISOString(),
      expiration_time: validToDate.toISOString(),
    };
  } catch {
    return { path, error: 'this certificate cannot be read' };
  }
}

/** For people only: decisions are made on the DER names (threats.md S50). */
function altName(name: string): unknown {
  if (name.startsWith('URI:')) return { uri: name.slice(4) };
  if (name.startsWith('DNS:')) return { dns: name.slice(4) };
  if (name.startsWith('IP Address:')) return { ip_address: name.slice(11) };
  return { other: name };
}
