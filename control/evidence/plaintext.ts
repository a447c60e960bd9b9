// Connections by whether they were encrypted, counted by each listener; what was in clear is listed, wherever it was.
import type { ListenerFacts, ProxyFacts } from './proxy-facts.ts';
import type { Figure } from './statement.ts';

export interface ListenerTraffic {
  readonly proxy: ProxyFacts;
  readonly listener: ListenerFacts;
  readonly connections: number;
  readonly handshakes: number;
  /** Refused before a handshake ended: plaintext where only TLS is taken, or TLS that failed. */
  readonly refused: number;
  /** Taken in clear. */
  readonly plaintext: number;
  readonly figures: readonly Figure[];
}

export function trafficOf(proxy: ProxyFacts): ListenerTraffic[] {
  return proxy.listeners.map((listener) => {
    const figures: Figure[] = [];
    const stat = (suffix: string): number => {
      const name = `listener.${listener.statName}.${suffix}`;
      const value = proxy.stats.get(name) ?? 0;
      figures.push({ name, value, source: `${proxy.url}/stats` });
      return value;
    };
    const connections = stat('downstream_cx_total');
    const handshakes = stat('ssl.handshake');
    const refused = stat('ssl.connection_error');
    const open = { tls: 0, passthrough: 0, plaintext: connections, both: connections - handshakes - refused };
    return {
      proxy, listener, connections, handshakes, refused, figures, plaintext: Math.max(0, open[listener.transport]),
    };
  });
}

/** Taken from others: what an application says to its own sidecar does not leave its workload. */
export function fromOthers({ proxy, listener }: ListenerTraffic): boolean {
  return proxy.isGateway || listener.direction !== 'OUTBOUND';
}
