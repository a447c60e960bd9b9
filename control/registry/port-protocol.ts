// What a port speaks: from appProtocol, else from the port's name (`http-web`), as Istio reads them.

/**
 * `grpc-web` is HTTP/2 to servers, whose clients may be browsers. `auto` is told apart by first bytes, HTTP or not,
 * where connections are redirected, and carried as it is elsewhere.
 */
export type PortProtocol = 'auto' | 'http' | 'http2' | 'grpc-web' | 'tcp' | 'tls' | 'udp';

/** What the name says, and whether it says anything: an unnamed protocol is looked for, and warned about. */
export interface ProtocolChoice {
  readonly protocol: PortProtocol;
  readonly declared: boolean;
}

const PROTOCOLS: ReadonlyMap<string, PortProtocol> = new Map([
  ['http', 'http'], ['http1', 'http'], ['http_proxy', 'http'], ['http/1.1', 'http'], ['kubernetes.io/ws', 'http'],
  ['http2', 'http2'], ['grpc', 'http2'], ['grpc-web', 'grpc-web'], ['kubernetes.io/h2c', 'http2'],
  ['https', 'tls'], ['tls', 'tls'], ['kubernetes.io/wss', 'tls'],
  ['tcp', 'tcp'], ['mongo', 'tcp'], ['redis', 'tcp'], ['mysql', 'tcp'],
  ['udp', 'udp'],
]);

/** Every word that a port may be named by, for messages. */
export const PROTOCOL_WORDS: readonly string[] = [...PROTOCOLS.keys()];

/** `transport` is the Kubernetes protocol field (TCP, UDP, SCTP; default TCP). */
export function portProtocol(name: string, appProtocol: string | undefined, transport = 'TCP'): ProtocolChoice {
  if (transport.toUpperCase() === 'UDP') return { protocol: 'udp', declared: true };
  const found = wordProtocol(appProtocol ?? '') ?? nameProtocol(name);
  return found === undefined ? { protocol: 'auto', declared: false } : { protocol: found, declared: true };
}

/** A protocol by its word, in any case: `HTTP`, `grpc`. */
export function wordProtocol(word: string): PortProtocol | undefined {
  return PROTOCOLS.get(word.toLowerCase());
}

/** grpc-web is the one word that holds a dash itself. */
function nameProtocol(name: string): PortProtocol | undefined {
  const lower = name.toLowerCase();
  if (lower === 'grpc-web' || lower.startsWith('grpc-web-')) return 'grpc-web';
  return wordProtocol(lower.split('-', 1)[0] ?? '');
}

export function isHttp(protocol: PortProtocol): boolean {
  return protocol === 'http' || isHttp2(protocol);
}

/** Neither HTTP nor TLS, as far as anybody says. */
export function isBytes(protocol: PortProtocol): boolean {
  return protocol === 'tcp' || protocol === 'auto';
}

/** Spoken to servers. */
export function isHttp2(protocol: PortProtocol): boolean {
  return protocol === 'http2' || protocol === 'grpc-web';
}
