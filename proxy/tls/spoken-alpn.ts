// Which of the protocols that a TLS context names are really spoken here.
import type { CommonTlsContext } from '../config/tls.ts';

/** Of Istio's proxies: bytes begin with a preamble about the workload, which applications would get to see here. */
const PEER_EXCHANGE = 'istio-peer-exchange';

/** What is offered, or agreed on. */
export function spokenAlpn({ alpnProtocols = [] }: CommonTlsContext): readonly string[] {
  return alpnProtocols.includes(PEER_EXCHANGE) ? alpnProtocols.filter((name) => name !== PEER_EXCHANGE) : alpnProtocols;
}
