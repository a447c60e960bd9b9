// Istio's ALPN filter: what a request's connection offers says that it comes from a sidecar, and that it is HTTP.
import type { IstioAlpn } from '../config/istio-peers.ts';
import { UpstreamAlpn } from '../http/message.ts';
import type { FilterStream, HttpFilter, Verdict } from './filter.ts';

export class IstioAlpnFilter implements HttpFilter {
  readonly name: string;
  index = -1;
  readonly #alpn: UpstreamAlpn;

  constructor(name: string, { alpnOverride = [] }: IstioAlpn) {
    this.name = name;
    const of = (protocol: string): readonly string[] =>
      alpnOverride.find(({ upstreamProtocol = 'HTTP10' }) => upstreamProtocol === protocol)?.alpnOverride ?? [];
    this.#alpn = new UpstreamAlpn(of('HTTP11'), of('HTTP2'));
  }

  onRequestHead({ request }: FilterStream): Verdict {
    request.upstreamAlpn = this.#alpn;
    return 'continue';
  }
}
