// Looks at which certificate a listener of this proxy really shows: a renewal that does not reach it must be noticed.
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { FilterChain, Listener } from '../config/listener.ts';
import { DOWNSTREAM_TLS_TYPE } from '../config/type-url.ts';

/** Where the certificate should be seen. */
export interface ServedPlace {
  readonly listener: string;
  readonly host: string;
  readonly port: number;
  readonly alpn: readonly string[];
  readonly serverName: string | undefined;
}

/** A listener that says nothing for so long is not judged. */
const PATIENCE_MS = 5000;
const ANSWER_BYTES_MAX = 262_144;
/** Listeners that are looked at. */
const PLACES_MAX = 16;

/** The places where the SDS secret `name` is shown without conditions that a connection to this machine cannot meet. */
export function placesOf(
  listeners: Iterable<Listener>, name: string, portOf: (listener: string) => number | undefined,
): ServedPlace[] {
  const places: ServedPlace[] = [];
  for (const listener of listeners) {
    const port = portOf(listener.name ?? '');
    const address = listener.address.socketAddress?.address;
    const chain = (listener.filterChains ?? []).find((candidate) => shows(candidate, name));
    if (port === undefined || address === undefined || chain === undefined || places.length >= PLACES_MAX) continue;
    const { applicationProtocols: alpn = [], serverNames = [] } = chain.filterChainMatch ?? {};
    const serverName = serverNames.find((candidate) => !candidate.startsWith('*'));
    places.push({ listener: listener.name ?? '', host: hostOf(address), port, alpn, serverName });
  }
  return places;
}

function shows({ transportSocket, filterChainMatch }: FilterChain, name: string): boolean {
  const config = transportSocket?.typedConfig;
  if (config?.['@type'] !== DOWNSTREAM_TLS_TYPE) return false;
  const { sourcePrefixRanges, destinationPort, prefixRanges } = filterChainMatch ?? {};
  const isReachable = sourcePrefixRanges === undefined && destinationPort === undefined && prefixRanges === undefined;
  const secrets = config.commonTlsContext.tlsCertificateSdsSecretConfigs ?? [];
  return isReachable && secrets.some((secret) => secret.name === name);
}

function hostOf(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  return address === '::' ? '::1' : address;
}

/**
 * The SHA-256 fingerprint of the certificate that is shown there; undefined when none was seen. This side's last word
 * of the handshake is never sent, so that no connection comes to life behind the listener.
 */
export function servedFingerprint({ host, port, alpn, serverName }: ServedPlace): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const raw = connectTcp(port, host);
  const line = new HalfHandshake(raw);
  const secure = connectTls({
    socket: line, rejectUnauthorized: false, requestOCSP: true,
    ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }), ...(serverName !== undefined && { servername: serverName }),
  });
  const end = (): void => {
    resolve(undefined);
    raw.destroy();
  };
  // Comes with the server's certificate. Nothing may be destroyed in there: OpenSSL is at work below it.
  secure.on('OCSPResponse', () => {
    line.isMute = true;
    resolve(secure.getPeerX509Certificate()?.fingerprint256);
    setImmediate(() => {
      secure.destroy();
      raw.destroy();
    });
  });
  for (const event of ['error', 'close']) secure.on(event, end);
  raw.on('error', end);
  raw.setTimeout(PATIENCE_MS, end);
  return promise;
}

/** A connection on which this side can fall silent. */
class HalfHandshake extends Duplex {
  readonly #raw: Socket;
  isMute = false;

  constructor(raw: Socket) {
    super();
    this.#raw = raw;
    raw.on('data', (chunk: Buffer) => {
      this.push(chunk);
      if (raw.bytesRead > ANSWER_BYTES_MAX) raw.destroy();
    });
    raw.on('close', () => this.destroy());
  }

  override _read(): void {
    // A handshake fits in what is buffered.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    if (this.isMute) callback();
    else this.#raw.write(chunk, callback);
  }
}
