// Redirection rules and their texts; what the kernel makes of them is in test/interop.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INTERCEPTION_DEFAULTS, redirectRules } from './redirect-rules.ts';
import { iptablesCleanText, iptablesText, isOursAlone, nftText } from './redirect-text.ts';

const NARROW = {
  ...INTERCEPTION_DEFAULTS, includeInboundPorts: [80, 443], includeOutboundCidrs: ['10.0.0.0/8', 'fd00::/8'],
  excludeOutboundCidrs: ['10.1.0.0/16'], includeOutboundPorts: [6379], excludeOutboundPorts: [53],
};

function appended(text: string, chain: string): string[] {
  return text.split('\n').filter((line) => line.startsWith(`-A ${chain} `)).map((line) => line.slice(chain.length + 4));
}

test('ports and ranges that are named are redirected, the others are not', () => {
  const text = iptablesText('nat', redirectRules(NARROW, 4), '');
  assert.deepEqual(appended(text, 'WEFT_INBOUND').slice(4), [
    '-p tcp -m tcp --dport 80 -j WEFT_IN_REDIRECT', '-p tcp -m tcp --dport 443 -j WEFT_IN_REDIRECT',
  ]);
  assert.deepEqual(appended(text, 'WEFT_OUTPUT').slice(7), [
    '-p tcp -m tcp --dport 53 -j RETURN', '-d 10.1.0.0/16 -p tcp -j RETURN',
    '-p tcp -m tcp --dport 6379 -j WEFT_REDIRECT', '-d 10.0.0.0/8 -p tcp -j WEFT_REDIRECT',
  ]);
  assert.deepEqual(appended(iptablesText('nat', redirectRules(NARROW, 6), ''), 'WEFT_OUTPUT').at(-1),
    '-d fd00::/8 -p tcp -j WEFT_REDIRECT');
});

test('what is there already is not added twice, and only what is there is taken away', () => {
  const rules = redirectRules(INTERCEPTION_DEFAULTS, 4);
  const present = '-N WEFT_OUTPUT\n-A OUTPUT -p tcp -j WEFT_OUTPUT\n';
  assert.deepEqual(appended(iptablesText('nat', rules, present), 'OUTPUT'), []);
  assert.deepEqual(appended(iptablesText('nat', rules, present), 'PREROUTING'), ['-p tcp -j WEFT_INBOUND']);
  const clean = ['*nat', '-D OUTPUT -p tcp -j WEFT_OUTPUT', '-F WEFT_OUTPUT', '-X WEFT_OUTPUT', 'COMMIT', ''];
  assert.equal(iptablesCleanText('nat', present), clean.join('\n'));
  assert.equal(iptablesCleanText('nat', '-N DOCKER\n'), '');
});

test('nft has one table for both families, with the sidecar itself before all else', () => {
  const text = nftText([[4, redirectRules(NARROW, 4)], [6, redirectRules(NARROW, 6)]]);
  assert.match(text, /^table inet weft\ndelete table inet weft\ntable inet weft \{/);
  const output = text.slice(text.indexOf('chain output'));
  assert.match(output.split('\n')[2] ?? '', /oifname "lo" ip saddr 127\.0\.0\.6 meta l4proto tcp return/);
  assert.match(output, /meta nfproto ipv6 ip6 daddr fd00::\/8 meta l4proto tcp goto to-outbound/);
  assert.doesNotMatch(output, /ipv6 ip6 daddr 10\./);
});

test('DNS is asked of the sidecar, by UDP and TCP, and the sidecar itself asks in a zone of its own', () => {
  const to = '-p udp -m udp --dport 53 -j REDIRECT --to-ports 15053';
  const wanted = { ...INTERCEPTION_DEFAULTS, dnsServers: ['10.96.0.53', 'fd00::53'] };
  const [rules, rules6] = [redirectRules(wanted, 4), redirectRules(wanted, 6)];
  const nat = iptablesText('nat', rules, '');
  assert.deepEqual(appended(nat, 'WEFT_OUTPUT').slice(0, 3), [
    '-p tcp -m tcp --dport 53 -m owner --uid-owner 1337 -j RETURN',
    '-p tcp -m tcp --dport 53 -m owner --gid-owner 1337 -j RETURN',
    '-d 10.96.0.53 -p tcp -m tcp --dport 53 -j REDIRECT --to-ports 15053']);
  assert.deepEqual(appended(nat, 'WEFT_DNS').at(-1), `-d 10.96.0.53 ${to}`);
  assert.deepEqual(appended(iptablesText('nat', rules6, ''), 'WEFT_DNS').at(-1),
    `-d fd00::53 ${to}`);
  const raw = iptablesText('raw', rules, '');
  assert.deepEqual(appended(raw, 'WEFT_DNS_IN'), ['-p udp -m udp --sport 53 -j CT --zone 1']);
  assert.equal(iptablesText('raw', redirectRules(INTERCEPTION_DEFAULTS, 4), ''), '', 'without it nothing is added');
  const before = '-N WEFT_DNS\n-A OUTPUT -p udp -m udp --dport 53 -j WEFT_DNS\n';
  assert.match(iptablesText('nat', redirectRules(INTERCEPTION_DEFAULTS, 4), before), /-F WEFT_DNS\n-X WEFT_DNS\n/);
  const nft = nftText([[4, rules], [6, rules6]]);
  assert.match(nft, /chain dns \{[^}]*ipv4 ip daddr 10\.96\.0\.53 udp dport 53 redirect to :15053/);
  assert.match(nft, /chain zone-in \{\n {4}type filter hook prerouting priority -300[^}]*sport 53 ct zone set 1/);
});

test('by TPROXY callers keep their addresses, and answers to the sidecar find it', () => {
  const rules = redirectRules({ ...NARROW, mode: 'TPROXY', excludeInboundPorts: [15_021] }, 4);
  const mangle = iptablesText('mangle', rules, '');
  assert.deepEqual(appended(mangle, 'WEFT_TPROXY').slice(3), [
    '-p tcp -m tcp --dport 15021 -j RETURN',
    '-p tcp -m tcp --dport 80 -j TPROXY --on-port 15006 --tproxy-mark 1337',
    '-p tcp -m tcp --dport 443 -j TPROXY --on-port 15006 --tproxy-mark 1337']);
  assert.deepEqual(appended(mangle, 'WEFT_MARK'), ['-p tcp -m mark --mark 1337 -j CONNMARK --save-mark',
    '-p tcp -m connmark --mark 1337 -j CONNMARK --restore-mark']);
  const nat = iptablesText('nat', rules, '');
  assert.deepEqual(appended(nat, 'WEFT_INBOUND'), []);
  assert.equal(appended(nat, 'WEFT_OUTPUT')[0], '-p tcp -m mark --mark 1337 -j RETURN');
  assert.match(nftText([[6, redirectRules({ ...NARROW, mode: 'TPROXY' }, 6)]]),
    /chain mark-in \{\n {4}type filter hook prerouting priority -150[^}]*tproxy ip6 to :15006 meta mark set 1337/);
  const there = '-N WEFT_TPROXY\n-N WEFT_MARK\n-A PREROUTING -p tcp -j WEFT_TPROXY\n';
  assert.match(iptablesText('mangle', redirectRules(NARROW, 4), there), /-X WEFT_TPROXY/, 'REDIRECT takes it away');
});

test('a table that was made for our rules has a chain that says so, and stays when others have rules there', () => {
  const rules = redirectRules(INTERCEPTION_DEFAULTS, 4);
  assert.match(iptablesText('nat', rules, '', true), /^\*nat\n:WEFT_MADE_TABLE - \[0:0\]\n/);
  assert.doesNotMatch(iptablesText('nat', rules, ''), /WEFT_MADE_TABLE/);
  assert.equal(iptablesText('raw', rules, '', true), '', 'nor is one made for nothing');
  const ours = '-P PREROUTING ACCEPT\n-P OUTPUT ACCEPT\n-N WEFT_MADE_TABLE\n-N WEFT_OUTPUT\n'
    + '-A OUTPUT -p tcp -j WEFT_OUTPUT\n-A WEFT_OUTPUT -p tcp -m owner --uid-owner 1337 -j RETURN\n';
  assert.ok(isOursAlone(ours));
  assert.match(iptablesCleanText('nat', ours), /-X WEFT_MADE_TABLE\nCOMMIT\n$/);
  for (const other of ['-A OUTPUT -p udp -j ACCEPT\n', '-N DOCKER\n', '-P INPUT DROP\n']) {
    assert.ok(!isOursAlone(ours + other), other);
  }
  assert.ok(!isOursAlone(ours.replace('-N WEFT_MADE_TABLE\n', '')));
});
