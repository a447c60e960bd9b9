// Route tables in protobuf, a virtual host at a time: one of ten thousand hosts would hold the event loop for half a
// second, and where one host changes the others need not be encoded again.
import type { RouteConfiguration, VirtualHost } from '../../proxy/config/route.ts';
import type { Wire } from '../../proxy/config/wire.ts';

const TABLE = 'envoy.config.route.v3.RouteConfiguration';
const HOST = 'envoy.config.route.v3.VirtualHost';

/** Field 2, virtual_hosts, of wire type 2: the length comes next. */
const HOSTS_TAG = 0x12;

export class TableCodec {
  readonly #wire: Wire;
  readonly #hosts = new WeakMap<VirtualHost, Buffer>();

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** Whether there was anything to do. What cannot be encoded is encode()'s to tell. */
  prepare(host: VirtualHost): boolean {
    if (this.#hosts.has(host)) return false;
    try {
      this.#hostBytes(host);
    } catch {
      return false;
    }
    return true;
  }

  /** The same message as protobuf makes of it whole: its fields may stand in any order. Throws a ConfigError. */
  encode(table: RouteConfiguration): Buffer {
    const { virtualHosts = [], ...rest } = table;
    const parts = [this.#wire.encode(TABLE, rest)];
    for (const host of virtualHosts) {
      const bytes = this.#hostBytes(host);
      parts.push(tagAndLength(bytes.length), bytes);
    }
    return Buffer.concat(parts);
  }

  #hostBytes(host: VirtualHost): Buffer {
    const known = this.#hosts.get(host);
    if (known !== undefined) return known;
    const bytes = this.#wire.encode(HOST, host);
    this.#hosts.set(host, bytes);
    return bytes;
  }
}

/** A length in base 128, the least significant seven bits first. */
function tagAndLength(length: number): Buffer {
  const bytes = [HOSTS_TAG];
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
