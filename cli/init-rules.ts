// What `weft init` runs: iptables or nft, found out and tried before anything is changed.
import { spawnSync } from 'node:child_process';
import { OWN_SOURCE, redirectRules, TPROXY_MARK, TPROXY_ROUTES } from '../control/inject/redirect-rules.ts';
import type { Family, Interception } from '../control/inject/redirect-rules.ts';
import {
  iptablesCleanText, iptablesText, isOursAlone, isUnused, NFT_CLEAN_TEXT, nftText,
} from '../control/inject/redirect-text.ts';
import type { IptablesTable } from '../control/inject/redirect-text.ts';
import { UsageError } from './usage.ts';

export interface Tools {
  readonly backend: 'iptables' | 'nft';
  readonly ipv6: boolean;
}

/** One command of the plan, with what it reads. */
export interface RulePlan {
  readonly command: string;
  readonly input: string;
  /** Throws an Error that says what the tool said. */
  apply(): void;
}

/** `asked` is what the user says; an Error tells what is missing. */
export function readTools(asked: string | undefined, ipv6: boolean): Tools {
  if (asked !== undefined && asked !== 'iptables' && asked !== 'nft') {
    throw new UsageError(`--backend takes iptables or nft, not "${asked}"`);
  }
  const backend = asked ?? (exists('iptables') ? 'iptables' : 'nft');
  const needed = backend === 'nft' ? ['nft'] : ['iptables', 'iptables-restore', ...(ipv6 ? ['ip6tables', 'ip'] : [])];
  const missing = needed.filter((name) => !exists(name));
  if (missing.length === 0) return { backend, ipv6 };
  throw new Error(`${missing.join(' and ')} must be installed for the rules of --backend ${backend}`);
}

/** `wanted` undefined: no rules. Reads what there is, which already fails where rights or modules are missing. */
export function planRules(tools: Tools, wanted: Interception | undefined): RulePlan[] {
  const families: Family[] = tools.ipv6 ? [4, 6] : [4];
  const rules = tools.backend === 'nft' ? nftPlan(families, wanted)
    : families.flatMap((family) => iptablesPlan(family, wanted));
  const transparent = wanted?.mode === 'TPROXY';
  const routes = transparent || exists('ip') ? families.flatMap((family) => routePlan(family, transparent)) : [];
  return [...rules, ...routes, ...(tools.ipv6 ? sourcePlan(wanted !== undefined) : [])];
}

function nftPlan(families: readonly Family[], wanted: Interception | undefined): RulePlan[] {
  output('nft', ['list', 'tables']);
  const text = wanted === undefined ? NFT_CLEAN_TEXT
    : nftText(families.map((family) => [family, redirectRules(wanted, family)] as const));
  return [plan('nft', ['-f', '-'], text)];
}

/** What a kernel is most likely to lack comes first: then nothing was changed. */
const TABLES: readonly IptablesTable[] = ['raw', 'mangle', 'nat'];

function iptablesPlan(family: Family, wanted: Interception | undefined): RulePlan[] {
  const tool = family === 4 ? 'iptables' : 'ip6tables';
  return TABLES.flatMap((table) => {
    const present = tablePresent(tool, table, needsTable(table, wanted));
    const text = wanted === undefined ? iptablesCleanText(table, present)
      : iptablesText(table, redirectRules(wanted, family), present, isNewTable(tool, table));
    const rules = text === '' ? [] : [plan(`${tool}-restore`, ['--noflush'], text)];
    return wanted === undefined && isOursAlone(present) ? [...rules, dropPlan(family, table)] : rules;
  });
}

function needsTable(table: IptablesTable, wanted: Interception | undefined): boolean {
  if (table === 'mangle') return wanted?.mode === 'TPROXY';
  return table === 'nat' || (wanted !== undefined && wanted.dnsServers.length > 0);
}

/** Never with the legacy tool: its kernel modules keep a table that they have once made. */
function isNewTable(tool: string, table: IptablesTable): boolean {
  if (!output(tool, ['--version']).includes('nf_tables') || !exists(`${tool}-save`)) return false;
  // Asked for one table it would make it.
  return !output(`${tool}-save`, []).split('\n').includes(`*${table}`);
}

/** Takes away a table that stayed as the tool made it for us. The tool itself can take its chains away only. */
function dropPlan(family: Family, table: IptablesTable): RulePlan {
  const [tool, kind] = family === 4 ? ['iptables', 'ip'] as const : ['ip6tables', 'ip6'] as const;
  const own = [kind, table];
  const apply = (): void => {
    if (!isUnused(output(tool, ['-t', table, '-S']))) return;
    output(tool, ['-t', table, '-X']);
    if (!exists('nft')) return;
    const empty = /^table \S+ \S+ \{\s*\}\s*$/;
    if (empty.test(output('nft', ['list', 'table', ...own]))) output('nft', ['delete', 'table', ...own]);
  };
  return { command: `${tool} -t ${table} -X && nft delete table ${own.join(' ')}`, input: '', apply };
}

/** '' of a table that this kernel does not have and nobody needs. */
function tablePresent(tool: string, table: IptablesTable, isNeeded: boolean): string {
  if (isNeeded) return output(tool, ['-t', table, '-S']);
  const { status, stdout } = spawnSync(tool, ['-t', table, '-S'], { encoding: 'utf8' });
  return status === 0 ? stdout : '';
}

/** What bears the mark is for this machine. Neither `ip rule` nor `ip route` can be told twice. */
function routePlan(family: Family, wanted: boolean): RulePlan[] {
  const ip = `-${family}`;
  const mark = `fwmark 0x${TPROXY_MARK.toString(16)} lookup ${TPROXY_ROUTES}`;
  const hasRule = output('ip', [ip, 'rule', 'show']).includes(mark);
  const hasRoute = new RegExp(`^local default dev lo table ${TPROXY_ROUTES} `, 'm')
    .test(output('ip', [ip, 'route', 'show', 'table', 'all']));
  const verb = wanted ? 'add' : 'del';
  const table = String(TPROXY_ROUTES);
  return [
    ...(hasRule === wanted ? []
      : [plan('ip', [ip, 'rule', verb, 'fwmark', String(TPROXY_MARK), 'lookup', table], '')]),
    ...(hasRoute === wanted ? []
      : [plan('ip', [ip, 'route', verb, 'local', 'default', 'dev', 'lo', 'table', table], '')]),
  ];
}

/** The address from which the sidecar calls its application is the loopback interface's; that of IPv4 is so already. */
function sourcePlan(wanted: boolean): RulePlan[] {
  const address = `${OWN_SOURCE[6]}/128`;
  const there = output('ip', ['-6', 'addr', 'show', 'dev', 'lo']).includes(`inet6 ${address}`);
  if (there === wanted) return [];
  return [plan('ip', ['-6', 'addr', wanted ? 'add' : 'del', address, 'dev', 'lo'], '')];
}

function plan(command: string, args: readonly string[], input: string): RulePlan {
  return { command: [command, ...args].join(' '), input, apply: () => void output(command, args, input) };
}

function exists(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined;
}

function output(command: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { input, encoding: 'utf8' });
  if (error !== undefined) throw new Error(`${command}: ${error.message}`);
  if (status === 0) return stdout;
  const said = stderr.trim().split('\n')[0] ?? '';
  const line = [command, ...args].join(' ');
  throw new Error(`${line}: ${said}. It needs root with CAP_NET_ADMIN in this network namespace, and the `
    + 'kernel\'s modules for NAT and owner matching; nothing was changed by it');
}
