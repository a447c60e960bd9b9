// The network of an address as text, such as 10.1.0.0/16: what rate limits count clients by.
import type { IpAddress } from '../base/cidr.ts';

/** IPv6 as RFC 5952 has it. `bits` is the length of the network's prefix. */
export function maskedAddress({ family, a, b, c, d }: IpAddress, bits: number): string {
  if (family === 4) return `${ipv4Text(masked(d, bits))}/${bits}`;
  const words = [masked(a, bits), masked(b, bits - 32), masked(c, bits - 64), masked(d, bits - 96)];
  return `${ipv6Text(words.flatMap((word) => [Math.floor(word / 0x10000), word % 0x10000]))}/${bits}`;
}

/** The first `bits` of a word. */
function masked(word: number, bits: number): number {
  if (bits >= 32) return word;
  if (bits <= 0) return 0;
  const rest = 2 ** (32 - bits);
  return word - (word % rest);
}

function ipv4Text(word: number): string {
  return [24, 16, 8, 0].map((bits) => Math.floor(word / 2 ** bits) % 256).join('.');
}

/** The first longest run of two or more zero groups becomes `::`. */
function ipv6Text(groups: readonly number[]): string {
  let [start, length] = [-1, 1];
  for (let from = 0; from < groups.length; from++) {
    let end = from;
    while (groups[end] === 0) end++;
    if (end - from > length) [start, length] = [from, end - from];
  }
  const hex = (from: number, to: number): string => groups.slice(from, to).map((group) => group.toString(16)).join(':');
  return start === -1 ? hex(0, 8) : `${hex(0, start)}::${hex(start + length, 8)}`;
}
