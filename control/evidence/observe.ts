// The running mesh as control plane and proxies show it now: what evidence is drawn from.
import type { ControlStatus } from '../status.ts';
import { auditFacts, type AuditFacts } from './audit-facts.ts';
import { proxyFacts, type ProxyFacts, type SilentProxy } from './proxy-facts.ts';

export interface ObserveOptions {
  /** HOST:PORT of the control plane. */
  readonly http: string;
  /** What it is asked with. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Admin interfaces to ask beside those that are found, as URLs. */
  readonly admins: readonly string[];
  /** Where admin interfaces of the proxies that the control plane knows are looked for, at their own addresses. */
  readonly adminPort: number;
  readonly nowMs: number;
}

export interface Observation {
  readonly nowMs: number;
  readonly controlUrl: string;
  readonly status: ControlStatus;
  readonly proxies: readonly ProxyFacts[];
  readonly silent: readonly SilentProxy[];
  readonly audits: readonly AuditFacts[];
  /** Who keeps no audit log. */
  readonly withoutAudit: readonly string[];
}

/** Rejects where there is no control plane. */
export async function observe({ http, headers = {}, admins, adminPort, nowMs }: ObserveOptions): Promise<Observation> {
  const controlUrl = `http://${http}/api/status`;
  const response = await fetch(controlUrl, { headers, signal: AbortSignal.timeout(10_000) });
  if ([401, 403].includes(response.status)) throw new Error((await response.text()).trim());
  if (!response.ok) throw new Error(`${controlUrl} answers ${response.status}: is this a control plane?`);
  const status = await response.json() as ControlStatus;
  const known = status.proxies.filter(({ connected }) => connected)
    .map(({ id }) => ({ id, url: adminUrl(id, adminPort) }));
  const given = admins.map((url) => ({ id: url, url: url.replace(/\/+$/, '') }));
  const answers = await Promise.all([...known, ...given].map(({ id, url }) => proxyFacts(id, url)));
  const found = answers.filter((one) => 'listeners' in one);
  const proxies = [...new Map(found.map((one) => [one.id, one])).values()];
  const answered = new Set(proxies.map(({ id }) => id));
  const silent = answers.filter((one) => !('listeners' in one) && !answered.has(one.id)) as SilentProxy[];
  const control = status.audit === undefined ? []
    : [auditFacts('control plane', status.audit.folder, status.audit.sequence)];
  const audits = [...control, ...proxies.flatMap(({ id, auditFolder, stats }) =>
    (auditFolder === undefined ? [] : [auditFacts(id, auditFolder, stats.get('audit.sequence') ?? 0)]))];
  const withoutAudit = [
    ...(status.audit === undefined ? ['control plane'] : []),
    ...proxies.filter(({ auditFolder }) => auditFolder === undefined).map(({ id }) => id),
  ];
  return { nowMs, controlUrl, status, proxies, silent, audits, withoutAudit };
}

/** A node's address is the second part of its id. */
function adminUrl(id: string, port: number): string {
  const address = id.split('~')[1] ?? '';
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
}
