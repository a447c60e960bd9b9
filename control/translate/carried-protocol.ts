// How a proxy carries what a port speaks: as HTTP where it can read it, else as opaque bytes.
import type { PortProtocol } from '../registry/port-protocol.ts';

/** Weft has no HTTP/2 yet: to it such ports are TCP on both sides, so that gRPC passes through untouched. */
export function carriedProtocol(protocol: PortProtocol, isWeft: boolean): PortProtocol {
  return protocol === 'http2' && isWeft ? 'tcp' : protocol;
}
