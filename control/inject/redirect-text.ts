// Redirection rules as the text that iptables-restore and nft read.
import { TPROXY_MARK } from './redirect-rules.ts';
import type { Family, Rule, RuleChain } from './redirect-rules.ts';

/** Where each chain of ours is hung up, and under which name it stands in iptables. */
const IPTABLES_CHAINS: Readonly<Record<RuleChain, string>> = {
  'input': 'WEFT_INBOUND', 'output': 'WEFT_OUTPUT', 'to-inbound': 'WEFT_IN_REDIRECT', 'to-outbound': 'WEFT_REDIRECT',
  'dns': 'WEFT_DNS', 'zone-out': 'WEFT_DNS_OUT', 'zone-in': 'WEFT_DNS_IN',
  'mark-in': 'WEFT_TPROXY', 'mark-out': 'WEFT_MARK',
};
/** Empty, and says that the table itself was not there before ours: then it goes with them. */
const MADE_TABLE = 'WEFT_MADE_TABLE';
export type IptablesTable = 'nat' | 'raw' | 'mangle';
/** In which table each chain is. */
const TABLES: Readonly<Record<IptablesTable, readonly RuleChain[]>> = {
  nat: ['input', 'output', 'to-inbound', 'to-outbound', 'dns'], raw: ['zone-out', 'zone-in'],
  mangle: ['mark-in', 'mark-out'],
};
/** Rules of the built-in chains that lead to ours. */
const HOOKS: Readonly<Partial<Record<RuleChain, string>>> = {
  'input': 'PREROUTING -p tcp -j WEFT_INBOUND', 'output': 'OUTPUT -p tcp -j WEFT_OUTPUT',
  'dns': 'OUTPUT -p udp -m udp --dport 53 -j WEFT_DNS',
  'zone-out': 'OUTPUT -p udp -j WEFT_DNS_OUT', 'zone-in': 'PREROUTING -p udp -j WEFT_DNS_IN',
  'mark-in': 'PREROUTING -p tcp -j WEFT_TPROXY', 'mark-out': 'OUTPUT -p tcp -j WEFT_MARK',
};
/** There in any case; the others where they have rules. */
const ALWAYS: ReadonlySet<RuleChain> = new Set<RuleChain>(['input', 'output', 'to-inbound', 'to-outbound']);

/**
 * For `iptables-restore --noflush`, which takes all of it or nothing: our chains with these rules and no others.
 * `present` is what `iptables -t <table> -S` says there is, and `isNew` that even the table is not, which that does not
 * tell. '' where there is nothing to do.
 */
export function iptablesText(table: IptablesTable, rules: readonly Rule[], present: string, isNew = false): string {
  const used = TABLES[table].filter((chain) => ALWAYS.has(chain) || rules.some((rule) => rule.chain === chain));
  const unused = new Set(TABLES[table]).difference(new Set(used));
  const lines = used.map((chain) => `:${IPTABLES_CHAINS[chain]} - [0:0]`);
  if (isNew && used.length > 0) lines.unshift(`:${MADE_TABLE} - [0:0]`);
  for (const rule of rules) {
    if (used.includes(rule.chain)) lines.push(`-A ${IPTABLES_CHAINS[rule.chain]} ${iptablesRule(rule)}`);
  }
  for (const hook of used.flatMap((chain) => HOOKS[chain] ?? [])) {
    if (!has(present, `-A ${hook}`)) lines.push(`-A ${hook}`);
  }
  const gone = cleanLines([...unused], present);
  return lines.length + gone.length === 0 ? '' : [`*${table}`, ...lines, ...gone, 'COMMIT', ''].join('\n');
}

/** The same, without any of it; '' where there is none. */
export function iptablesCleanText(table: IptablesTable, present: string): string {
  const lines = cleanLines(TABLES[table], present);
  if (has(present, `-N ${MADE_TABLE}`)) lines.push(`-X ${MADE_TABLE}`);
  return lines.length === 0 ? '' : [`*${table}`, ...lines, 'COMMIT', ''].join('\n');
}

/** The table was made for our rules, and nobody has put any beside them: without them it goes too. */
export function isOursAlone(present: string): boolean {
  const others = present.replaceAll(/^-(N|A) WEFT_.*$|^-A .* -j WEFT_\w+ *$/gm, '');
  return has(present, `-N ${MADE_TABLE}`) && isUnused(others);
}

/** Nothing but what every table has. */
export function isUnused(present: string): boolean {
  return present.split('\n').every((line) => line.trim() === '' || /^-P \S+ ACCEPT *$/.test(line));
}

function cleanLines(chains: readonly RuleChain[], present: string): string[] {
  const hooks = chains.flatMap((chain) => HOOKS[chain] ?? []).filter((hook) => has(present, `-A ${hook}`));
  const names = chains.map((chain) => IPTABLES_CHAINS[chain]).filter((name) => has(present, `-N ${name}`));
  // Emptied first: some lead to others.
  return [...hooks.map((hook) => `-D ${hook}`), ...names.map((name) => `-F ${name}`),
    ...names.map((name) => `-X ${name}`)];
}

function has(present: string, line: string): boolean {
  return present.split('\n').some((text) => text.trim() === line);
}

function iptablesRule(rule: Rule): string {
  const { loopback, fromLoopback, udp, source, destination, notDestination, port, sourcePort } = rule;
  const { uid, notUid, gid, notGid, mark, connectionMark, established } = rule;
  const protocol = udp === true ? 'udp' : 'tcp';
  const owner = [
    uid === undefined ? '' : ` --uid-owner ${uid}`, notUid === undefined ? '' : ` ! --uid-owner ${notUid}`,
    gid === undefined ? '' : ` --gid-owner ${gid}`, notGid === undefined ? '' : ` ! --gid-owner ${notGid}`,
  ].join('');
  return [
    source === undefined ? '' : `-s ${source} `,
    destination === undefined ? '' : `-d ${destination} `,
    notDestination === undefined ? '' : `! -d ${notDestination} `,
    fromLoopback === true ? '-i lo ' : '',
    loopback === true ? '-o lo ' : '',
    `-p ${protocol} `,
    port === undefined ? '' : `-m ${protocol} --dport ${port} `,
    sourcePort === undefined ? '' : `-m ${protocol} --sport ${sourcePort} `,
    owner === '' ? '' : `-m owner${owner} `,
    mark === undefined ? '' : `-m mark --mark ${mark} `,
    connectionMark === undefined ? '' : `-m connmark --mark ${connectionMark} `,
    established === true ? '-m conntrack --ctstate RELATED,ESTABLISHED ' : '',
    `-j ${iptablesTarget(rule.verdict)}`,
  ].join('');
}

function iptablesTarget(verdict: Rule['verdict']): string {
  if (verdict === 'return') return 'RETURN';
  if (verdict === 'save-mark' || verdict === 'restore-mark') return `CONNMARK --${verdict}`;
  if (typeof verdict === 'string') return IPTABLES_CHAINS[verdict];
  if ('transparentTo' in verdict) return `TPROXY --on-port ${verdict.transparentTo} --tproxy-mark ${TPROXY_MARK}`;
  return 'zone' in verdict ? `CT --zone ${verdict.zone}` : `REDIRECT --to-ports ${verdict.redirectTo}`;
}

/** One table for both families, made anew in one step. */
export const NFT_TABLE = 'inet weft';
export const NFT_CLEAN_TEXT = `table ${NFT_TABLE}\ndelete table ${NFT_TABLE}\n`;

const NFT_CHAINS: readonly RuleChain[] = ['to-inbound', 'to-outbound', 'input', 'output', 'dns', 'zone-out', 'zone-in',
  'mark-in', 'mark-out'];
const NFT_HOOKS: Readonly<Partial<Record<RuleChain, string>>> = {
  'input': 'type nat hook prerouting priority -100; policy accept;',
  'output': 'type nat hook output priority -100; policy accept;',
  'dns': 'type nat hook output priority -100; policy accept;',
  'zone-out': 'type filter hook output priority -300; policy accept;',
  'zone-in': 'type filter hook prerouting priority -300; policy accept;',
  'mark-in': 'type filter hook prerouting priority -150; policy accept;',
  'mark-out': 'type route hook output priority -150; policy accept;',
};

export function nftText(rules: readonly (readonly [Family, readonly Rule[]])[]): string {
  const used = new Set(rules.flatMap(([, list]) => list.map(({ chain }) => chain)));
  const chains = NFT_CHAINS.filter((chain) => ALWAYS.has(chain) || used.has(chain));
  const body = chains.map((chain) => {
    const lines = rules.flatMap(([family, list]) => list.filter((rule) => rule.chain === chain)
      .map((rule) => `    ${nftRule(rule, family)}`));
    return [`  chain ${chain} {`, ...nftHook(chain), ...new Set(lines), '  }'].join('\n');
  });
  return `${NFT_CLEAN_TEXT}table ${NFT_TABLE} {\n${body.join('\n')}\n}\n`;
}

function nftHook(chain: RuleChain): string[] {
  const hook = NFT_HOOKS[chain];
  return hook === undefined ? [] : [`    ${hook}`];
}

function nftRule(rule: Rule, family: Family): string {
  const { loopback, fromLoopback, udp, source, destination, notDestination, port, sourcePort } = rule;
  const { uid, notUid, gid, notGid, mark, connectionMark, established } = rule;
  const protocol = udp === true ? 'udp' : 'tcp';
  const ip = family === 4 ? 'ip' : 'ip6';
  return [
    `meta nfproto ipv${family} `,
    fromLoopback === true ? 'iifname "lo" ' : '',
    loopback === true ? 'oifname "lo" ' : '',
    source === undefined ? '' : `${ip} saddr ${source} `,
    destination === undefined ? '' : `${ip} daddr ${destination} `,
    notDestination === undefined ? '' : `${ip} daddr != ${notDestination} `,
    port !== undefined ? `${protocol} dport ${port} ` : sourcePort !== undefined ? `${protocol} sport ${sourcePort} `
      : `meta l4proto ${protocol} `,
    uid === undefined ? '' : `meta skuid ${uid} `, notUid === undefined ? '' : `meta skuid != ${notUid} `,
    gid === undefined ? '' : `meta skgid ${gid} `, notGid === undefined ? '' : `meta skgid != ${notGid} `,
    mark === undefined ? '' : `meta mark ${mark} `,
    connectionMark === undefined ? '' : `ct mark ${connectionMark} `,
    established === true ? 'ct state established,related ' : '',
    nftVerdict(rule.verdict, ip),
  ].join('');
}

function nftVerdict(verdict: Rule['verdict'], ip: 'ip' | 'ip6'): string {
  if (verdict === 'return') return 'return';
  if (verdict === 'save-mark') return 'ct mark set meta mark';
  if (verdict === 'restore-mark') return 'meta mark set ct mark';
  if (typeof verdict === 'string') return `goto ${verdict}`;
  if ('transparentTo' in verdict) {
    return `tproxy ${ip} to :${verdict.transparentTo} meta mark set ${TPROXY_MARK} accept`;
  }
  // The first of a chain holds, as with the others.
  return 'zone' in verdict ? `ct zone set ${verdict.zone} return` : `redirect to :${verdict.redirectTo}`;
}
