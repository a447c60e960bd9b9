// `weft init`: tells the kernel to lead a workload's connections through its sidecar, and undoes it.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { INTERCEPTION_DEFAULTS } from '../control/inject/redirect-rules.ts';
import type { Interception } from '../control/inject/redirect-rules.ts';
import { parseResolvConf } from '../proxy/dns/resolv-conf.ts';
import { planRules, readTools } from './init-rules.ts';
import type { RulePlan } from './init-rules.ts';
import { UsageError } from './usage.ts';

export const HELP = `usage: weft init [options]
       weft init --clean
Leads all TCP connections of this network namespace through the sidecar; its own are left alone. Run as root.
      --mode MODE                 how callers are led to it: REDIRECT (default), or TPROXY: the application sees their
                                  addresses, and the sidecar needs CAP_NET_ADMIN
      --outbound-port N           where the sidecar takes what the application calls (default 15001)
      --inbound-port N            where it takes what comes to the application (default 15006)
      --uid N, --gid N            the sidecar's user and group (default 1337)
      --include-inbound-ports L   ports of the application, or * (default *)
      --exclude-inbound-ports L   beside them (default 15000,15020,15021,15090: the sidecar's own)
      --include-outbound-cidrs L  addresses, such as 10.0.0.0/8, or * (default *)
      --exclude-outbound-cidrs L
      --include-outbound-ports L  whatever their address
      --exclude-outbound-ports L
      --redirect-dns              what the application asks the resolvers of /etc/resolv.conf, the sidecar answers
      --capture-all-dns           the same, whatever resolver it asks
      --dns-port N                where the sidecar does that (default 15053)
      --backend NAME              iptables or nft (default: iptables where it is installed)
      --clean                     removes the rules
      --dry-run                   prints what would be done, and does nothing
Lists are separated by commas. Run again it puts its rules in place of those from before.
`;

const OPTIONS = {
  'outbound-port': { type: 'string' },
  'inbound-port': { type: 'string' },
  uid: { type: 'string' },
  gid: { type: 'string' },
  'include-inbound-ports': { type: 'string' },
  'exclude-inbound-ports': { type: 'string' },
  'include-outbound-cidrs': { type: 'string' },
  'exclude-outbound-cidrs': { type: 'string' },
  'include-outbound-ports': { type: 'string' },
  'exclude-outbound-ports': { type: 'string' },
  'redirect-dns': { type: 'boolean' },
  'capture-all-dns': { type: 'boolean' },
  'dns-port': { type: 'string' },
  backend: { type: 'string' },
  mode: { type: 'string' },
  clean: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Switch = 'clean' | 'dry-run' | 'help' | 'redirect-dns' | 'capture-all-dns';
type Given = Readonly<Partial<Record<Exclude<keyof typeof OPTIONS, Switch>, string>>>;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const dnsServers = values['capture-all-dns'] === true ? 'all' : values['redirect-dns'] === true ? resolvers() : [];
  const wanted = interceptionOf(values, dnsServers);
  const clean = values.clean === true;
  const tools = readTools(values.backend, hasIpv6());
  const plan = planRules(tools, clean ? undefined : wanted);
  if (values['dry-run'] === true) {
    process.stdout.write(plan.map(asText).join(''));
    return 0;
  }
  for (const { apply } of plan) apply();
  process.stdout.write(clean ? 'connections pass no sidecar any more\n' : summary(wanted, tools.ipv6));
  return 0;
}

function asText({ command, input }: RulePlan): string {
  return input === '' ? `# ${command}\n` : `# ${command}\n${input}`;
}

function summary(wanted: Interception, ipv6: boolean): string {
  const { mode, outboundPort, inboundPort, uid, gid, dnsServers, dnsPort } = wanted;
  const dns = dnsServers.length === 0 ? ''
    : `, questions to ${dnsServers === 'all' ? 'any DNS server' : dnsServers.join(' and ')} port ${dnsPort}`;
  const families = ipv6 ? 'IPv4 and IPv6' : 'IPv4 alone, since there is no IPv6 here';
  const callers = mode === 'TPROXY' ? 'callers, by TPROXY' : 'callers';
  const sidecar = `ports ${outboundPort} (calls) and ${inboundPort} (${callers})`;
  return `connections of this network namespace pass ${sidecar}${dns}, `
    + `but for those of user ${uid} and group ${gid}; ${families}\n`;
}

/** What the application asks; at start, as it would itself. */
function resolvers(): string[] {
  const { servers } = parseResolvConf(readFileSync('/etc/resolv.conf', 'utf8'));
  if (servers.length > 0) return servers.map((server) => server.split('%', 1)[0]!);
  throw new UsageError('/etc/resolv.conf names no server whose questions could be redirected: use --capture-all-dns');
}

function interceptionOf(given: Given, dnsServers: Interception['dnsServers']): Interception {
  const { mode = 'REDIRECT' } = given;
  if (mode !== 'REDIRECT' && mode !== 'TPROXY') throw new UsageError(`--mode takes REDIRECT or TPROXY, not "${mode}"`);
  const usual = INTERCEPTION_DEFAULTS;
  return {
    mode,
    outboundPort: number(given, 'outbound-port', 65_535) ?? usual.outboundPort,
    inboundPort: number(given, 'inbound-port', 65_535) ?? usual.inboundPort,
    uid: number(given, 'uid', 4_294_967_294) ?? usual.uid,
    gid: number(given, 'gid', 4_294_967_294) ?? usual.gid,
    includeInboundPorts: ports(given, 'include-inbound-ports', true) ?? usual.includeInboundPorts,
    excludeInboundPorts: ports(given, 'exclude-inbound-ports') ?? usual.excludeInboundPorts,
    includeOutboundCidrs: given['include-outbound-cidrs'] === '*' ? 'all'
      : cidrs(given, 'include-outbound-cidrs') ?? usual.includeOutboundCidrs,
    excludeOutboundCidrs: cidrs(given, 'exclude-outbound-cidrs') ?? usual.excludeOutboundCidrs,
    includeOutboundPorts: ports(given, 'include-outbound-ports') ?? usual.includeOutboundPorts,
    excludeOutboundPorts: ports(given, 'exclude-outbound-ports') ?? usual.excludeOutboundPorts,
    dnsServers, dnsPort: number(given, 'dns-port', 65_535) ?? usual.dnsPort,
  };
}

function number(given: Given, option: keyof Given, max: number): number | undefined {
  const text = given[option];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > max || (max === 65_535 && value === 0)) {
    throw new UsageError(`--${option} takes a number up to ${max}, not "${text}"`);
  }
  return value;
}

function list(given: Given, option: keyof Given): string[] | undefined {
  return given[option]?.split(',').map((item) => item.trim()).filter((item) => item !== '');
}

function ports(given: Given, option: keyof Given): number[] | undefined;
function ports(given: Given, option: keyof Given, star: true): number[] | 'all' | undefined;
function ports(given: Given, option: keyof Given, star?: true): number[] | 'all' | undefined {
  if (star === true && given[option] === '*') return 'all';
  return list(given, option)?.map((port) => {
    if (!/^\d{1,5}$/.test(port) || Number(port) === 0 || Number(port) > 65_535) {
      throw new UsageError(`--${option} takes ports, not "${port}"`);
    }
    return Number(port);
  });
}

function cidrs(given: Given, option: keyof Given): string[] | undefined {
  return list(given, option)?.map((range) => {
    const [address = '', bits, ...rest] = range.split('/');
    const family = isIP(address);
    const max = family === 4 ? 32 : 128;
    if (family === 0 || rest.length > 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= max))) {
      throw new UsageError(`--${option} takes ranges such as 10.0.0.0/8, not "${range}"`);
    }
    return range;
  });
}

function hasIpv6(): boolean {
  try {
    return readFileSync('/proc/sys/net/ipv6/conf/lo/disable_ipv6', 'utf8').trim() === '0';
  } catch {
    return false;
  }
}
