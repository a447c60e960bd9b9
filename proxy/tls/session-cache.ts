// TLS sessions of one client context's generation, to be resumed by the endpoint and server name that issued them
// (S53).
import type { X509Certificate } from 'node:crypto';

/** A session with the certificate that its server showed when it began, to be judged again. */
export interface KeptSession {
  readonly session: Buffer;
  readonly certificate: X509Certificate | undefined;
  /** Unix time in milliseconds of the handshake in which it was shown. */
  readonly verifiedMs: number;
}

/** Endpoints and names that are remembered; past this the oldest is forgotten. */
const PEERS_MAX = 1024;

export class SessionCache {
  readonly #perPeer: number;
  readonly #sessions = new Map<string, KeptSession[]>();

  /** `perPeer` is Envoy's max_session_keys (default 1 there); 0 turns resumption off. */
  constructor(perPeer: number) {
    this.#perPeer = perPeer;
  }

  get enabled(): boolean {
    return this.#perPeer > 0;
  }

  /** Takes the newest session of a peer: a ticket is used once (RFC 8446 appendix C.4). */
  take(peer: string): KeptSession | undefined {
    return this.#sessions.get(peer)?.pop();
  }

  put(peer: string, session: KeptSession): void {
    if (this.#perPeer === 0) return;
    const sessions = this.#sessions.get(peer) ?? this.#add(peer);
    sessions.push(session);
    if (sessions.length > this.#perPeer) sessions.shift();
  }

  #add(peer: string): KeptSession[] {
    if (this.#sessions.size >= PEERS_MAX) this.#sessions.delete(this.#sessions.keys().next().value!);
    const sessions: KeptSession[] = [];
    this.#sessions.set(peer, sessions);
    return sessions;
  }
}
