// Redirection rules as the text that iptables-restore and nft read.
import type { Family, Rule, RuleChain } from './redirect-rules.ts';

/** Where each chain of ours is hung up, and under which name it stands in iptables. */
const IPTABLES_CHAINS: Readonly<Record<RuleChain, string>> = {
  'input': 'WEFT_INBOUND', 'output': 'WEFT_OUTPUT', 'to-inbound': 'WEFT_IN_REDIRECT', 'to-outbound': 'WEFT_REDIRECT',
};
/** Rules of the built-in chains that lead to ours. */
export const IPTABLES_HOOKS = ['PREROUTING -p tcp -j WEFT_INBOUND', 'OUTPUT -p tcp -j WEFT_OUTPUT'] as const;

/**
 * For `iptables-restore --noflush`, which takes all of it or nothing: our chains with these rules and no others.
 * `present` is what `iptables -t nat -S` says there is.
 */
export function iptablesText(rules: readonly Rule[], present: string): string {
  const lines = Object.values(IPTABLES_CHAINS).map((name) => `:${name} - [0:0]`);
  for (const rule of rules) lines.push(`-A ${IPTABLES_CHAINS[rule.chain]} ${iptablesRule(rule)}`);
  for (const hook of IPTABLES_HOOKS) if (!has(present, `-A ${hook}`)) lines.push(`-A ${hook}`);
  return ['*nat', ...lines, 'COMMIT', ''].join('\n');
}

/** The same, without any of it; '' where there is none. */
export function iptablesCleanText(present: string): string {
  const hooks = IPTABLES_HOOKS.filter((hook) => has(present, `-A ${hook}`)).map((hook) => `-D ${hook}`);
  const names = Object.values(IPTABLES_CHAINS).filter((name) => has(present, `-N ${name}`));
  // Emptied first: some lead to others.
  const chains = [...names.map((name) => `-F ${name}`), ...names.map((name) => `-X ${name}`)];
  return hooks.length + chains.length === 0 ? '' : ['*nat', ...hooks, ...chains, 'COMMIT', ''].join('\n');
}

function has(present: string, line: string): boolean {
  return present.split('\n').some((text) => text.trim() === line);
}

function iptablesRule(rule: Rule): string {
  const { loopback, source, destination, notDestination, port, uid, notUid, gid, notGid, verdict } = rule;
  const owner = [
    uid === undefined ? '' : ` --uid-owner ${uid}`, notUid === undefined ? '' : ` ! --uid-owner ${notUid}`,
    gid === undefined ? '' : ` --gid-owner ${gid}`, notGid === undefined ? '' : ` ! --gid-owner ${notGid}`,
  ].join('');
  return [
    source === undefined ? '' : `-s ${source} `,
    destination === undefined ? '' : `-d ${destination} `,
    notDestination === undefined ? '' : `! -d ${notDestination} `,
    loopback === true ? '-o lo ' : '',
    '-p tcp ',
    port === undefined ? '' : `-m tcp --dport ${port} `,
    owner === '' ? '' : `-m owner${owner} `,
    `-j ${iptablesTarget(verdict)}`,
  ].join('');
}

function iptablesTarget(verdict: Rule['verdict']): string {
  if (verdict === 'return') return 'RETURN';
  return typeof verdict === 'string' ? IPTABLES_CHAINS[verdict] : `REDIRECT --to-ports ${verdict.redirectTo}`;
}

/** One table for both families, made anew in one step. */
export const NFT_TABLE = 'inet weft';
export const NFT_CLEAN_TEXT = `table ${NFT_TABLE}\ndelete table ${NFT_TABLE}\n`;

export function nftText(rules: readonly (readonly [Family, readonly Rule[]])[]): string {
  const chains: RuleChain[] = ['to-inbound', 'to-outbound', 'input', 'output'];
  const body = chains.map((chain) => {
    const lines = rules.flatMap(([family, list]) => list.filter((rule) => rule.chain === chain)
      .map((rule) => `    ${nftRule(rule, family)}`));
    return [`  chain ${chain} {`, ...nftHook(chain), ...new Set(lines), '  }'].join('\n');
  });
  return `${NFT_CLEAN_TEXT}table ${NFT_TABLE} {\n${body.join('\n')}\n}\n`;
}

function nftHook(chain: RuleChain): string[] {
  if (chain === 'input') return ['    type nat hook prerouting priority -100; policy accept;'];
  return chain === 'output' ? ['    type nat hook output priority -100; policy accept;'] : [];
}

function nftRule(rule: Rule, family: Family): string {
  const { loopback, source, destination, notDestination, port, uid, notUid, gid, notGid, verdict } = rule;
  const ip = family === 4 ? 'ip' : 'ip6';
  return [
    `meta nfproto ipv${family} `,
    loopback === true ? 'oifname "lo" ' : '',
    source === undefined ? '' : `${ip} saddr ${source} `,
    destination === undefined ? '' : `${ip} daddr ${destination} `,
    notDestination === undefined ? '' : `${ip} daddr != ${notDestination} `,
    `${port === undefined ? 'meta l4proto tcp' : `tcp dport ${port}`} `,
    uid === undefined ? '' : `meta skuid ${uid} `, notUid === undefined ? '' : `meta skuid != ${notUid} `,
    gid === undefined ? '' : `meta skgid ${gid} `, notGid === undefined ? '' : `meta skgid != ${notGid} `,
    nftVerdict(verdict),
  ].join('');
}

function nftVerdict(verdict: Rule['verdict']): string {
  if (verdict === 'return') return 'return';
  return typeof verdict === 'string' ? `goto ${verdict}` : `redirect to :${verdict.redirectTo}`;
}
