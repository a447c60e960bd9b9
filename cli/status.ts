// `weft status`: which proxy runs which configuration, what it refused, and which files were refused.
import { parseArgs } from 'node:util';
import type { ProxyReceipt, TypeReceipt } from '../control/push/receipts.ts';
import type { WatchStatus } from '../control/source/source.ts';
import type { ControlStatus } from '../control/status.ts';
import { messageOf } from '../proxy/base/error.ts';
import { gatewayLines } from './gateway-status.ts';
import { addressOption, tokenHeader } from './usage.ts';

/** Hosts of one lazy proxy. */
const HOSTS_SHOWN = 20;

const HTTP_DEFAULT = '127.0.0.1:15080';

export const HELP = `usage: weft status [options]

      --http HOST:PORT   the control plane's HTTP address (default ${HTTP_DEFAULT})
      --token-file FILE  what another machine's control plane wants to see (its --http-token-file)
      --json             the same as JSON
`;

const OPTIONS = {
  http: { type: 'string', default: HTTP_DEFAULT },
  'token-file': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  addressOption('http', values.http);
  const status = await fetchStatus(values.http, await tokenHeader(values['token-file']));
  if (typeof status === 'string') {
    process.stderr.write(`weft status: ${status}\n`);
    return 2;
  }
  process.stdout.write(values.json === true ? `${JSON.stringify(status, null, 2)}\n` : statusText(status, Date.now()));
  return 0;
}

/** The status, or why there is none. */
async function fetchStatus(address: string, headers: Record<string, string>): Promise<ControlStatus | string> {
  try {
    const response = await fetch(`http://${address}/api/status`, { headers, signal: AbortSignal.timeout(5000) });
    if ([401, 403].includes(response.status)) return `http://${address}: ${(await response.text()).trim()}`;
    if (!response.ok) return `http://${address}/api/status answers ${response.status}: is this a control plane?`;
    return await response.json() as ControlStatus;
  } catch (cause) {
    const reason = cause instanceof Error && cause.cause !== undefined ? messageOf(cause.cause) : messageOf(cause);
    return `no control plane at ${address} (${reason}); start one with: weft control --config DIR`;
  }
}

/** For people: a table of proxies, then everything that was refused. */
export function statusText(status: ControlStatus, nowMs: number): string {
  const { proxies, config, refusedFiles } = status;
  const lines = [
    `configuration: ${config.objects} objects of ${config.files} files in ${config.source}`,
    ...watchLines(status.watches ?? [], nowMs),
    ...refusedFiles.flatMap(({ file, sinceMs, errors, servedObjects }) => [
      `refused: ${file} for ${ago(nowMs - sinceMs)}; of its last good content ${servedObjects} objects are served`,
      ...errors.map((error) => `  ${error}`),
    ]),
    ...config.warnings.map((warning) => `warning: ${warning}`),
    ...gatewayLines(config.gatewayApi ?? []),
    '',
    ...proxyTable(proxies, nowMs),
    ...proxies.flatMap(heldHosts),
    ...proxies.flatMap(refusals),
  ];
  return `${lines.join('\n')}\n`;
}

/** How many resources are up to date, and each that is not. */
function watchLines(watches: readonly WatchStatus[], nowMs: number): string[] {
  if (watches.length === 0) return [];
  const others = watches.filter(({ state }) => state !== 'current');
  return [
    `watched: ${watches.length - others.length} of ${watches.length} resources are current`,
    ...others.map(({ resource, state, reason, sinceMs }) =>
      `  ${resource}: ${state} for ${ago(nowMs - sinceMs)}${reason === undefined ? '' : `: ${reason}`}`),
  ];
}

function proxyTable(proxies: readonly ProxyReceipt[], nowMs: number): string[] {
  if (proxies.length === 0) return ['no proxy has connected yet'];
  const types = [...new Set(proxies.flatMap((proxy) => proxy.types.map(({ type }) => type)))];
  const rows = proxies.map((proxy) => [
    proxy.id,
    `${proxy.connected ? 'connected' : 'gone'} ${ago(nowMs - proxy.sinceMs)}`,
    ...types.map((type) => typeText(proxy.types.find((entry) => entry.type === type))),
  ]);
  const table = [['PROXY', 'STATE', ...types.map((type) => type.toUpperCase())], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd());
}

/** `12 synced`, or what is in the way. */
function typeText(type: TypeReceipt | undefined): string {
  if (type === undefined) return '-';
  if (type.nack !== undefined) return `${type.resources} NACK`;
  return `${type.resources} ${type.pending ? 'sent' : 'synced'}`;
}

/** Of lazy proxies: what their applications call. */
function heldHosts({ id, types, excessHosts = 0 }: ProxyReceipt): string[] {
  const hosts = types.flatMap((type) => type.hosts ?? []);
  if (hosts.length === 0) return [];
  const more = hosts.length > HOSTS_SHOWN ? `, and ${hosts.length - HOSTS_SHOWN} more (--json has all)` : '';
  const excess = excessHosts === 0 ? [] : [`${id}: ${excessHosts} hosts are too many for it, and get 404 there`];
  return [`${id}: holds ${hosts.slice(0, HOSTS_SHOWN).join(', ')}${more}`, ...excess];
}

function refusals(proxy: ProxyReceipt): string[] {
  const faults = proxy.fault === undefined ? [] : [`${proxy.id}: gets nothing new: ${proxy.fault}`];
  const nacks = proxy.types.flatMap(({ type, refused }) =>
    refused.map(({ name, reason }) => `${proxy.id}: refused ${type} ${name}: ${reason}`));
  return [...faults, ...nacks];
}

function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)}m` : `${Math.round(seconds / 3600)}h`;
}
