// The listeners of one worker: compiled beside the running ones, warmed until their routes and
// secrets are there, then bound.
import { ConfigError } from '../base/error.ts';
import { joinHostPort } from '../base/host-port.ts';
import { bindFailureText } from '../base/node-error.ts';
import type { Listener as ListenerConfig } from '../config/listener.ts';
import type { CompiledListener } from './compiled-listener.ts';
import type { ListenerHost } from './listener.ts';
import { Listener } from './listener.ts';
import type { OriginalDestination } from './original-destination.ts';

/** A compiled listener with what it still waits for. */
export interface PreparedListener {
  readonly compiled: CompiledListener;
  /** Names of route tables and secrets that are not there yet. */
  missing(): readonly string[];
}

/** Keeps chains that did not change, so that their connections live on. */
export interface ChainKeeper {
  /** Rejects with a ConfigError. */
  compile(config: ListenerConfig, name: string): Promise<PreparedListener>;
  /** The listener is gone. One that has its name later must not get its chains: their routes and secrets went too. */
  forget(name: string): void;
}

export interface ListenerEvents {
  /** At `host:port` as configured, on the sockets of these numbers. */
  onListening(name: string, port: number, address: string, descriptors: readonly number[]): void;
  onListenFailed(name: string, reason: string): void;
  /** It waits for routes and secrets of these names. */
  onWarming(name: string, missing: readonly string[]): void;
}

/** Which listeners end their connections, those that come later included. */
type Draining = 'none' | 'inbound' | 'all';

/** Running and warming listeners by name. A failed bind keeps the old listener serving. */
export class ListenerSet {
  readonly #chains: ChainKeeper;
  readonly #host: ListenerHost;
  readonly #events: ListenerEvents;
  readonly #running = new Map<string, Listener>();
  /** The running ones by `host:port`. */
  readonly #byAddress = new Map<string, Listener>();
  readonly #warming = new Map<string, PreparedListener>();
  readonly #leaving = new Set<Listener>();
  #draining: Draining = 'none';

  constructor(chains: ChainKeeper, host: ListenerHost, events: ListenerEvents) {
    this.#chains = chains;
    this.#host = host;
    this.#events = events;
  }

  /** Open downstream connections, also of listeners that were removed. */
  get connections(): number {
    let count = 0;
    for (const listener of this.#running.values()) count += listener.connections;
    for (const listener of this.#leaving) count += listener.connections;
    return count;
  }

  /** Rejects with a ConfigError and keeps what was there. */
  async apply(name: string, config: ListenerConfig): Promise<void> {
    const prepared = await this.#chains.compile(config, name);
    // Who waits for its routes says now, while it can be refused, what it would find then.
    const cannot = prepared.missing().length > 0 ? this.#cannotBind(name, prepared.compiled) : undefined;
    if (cannot !== undefined) throw new ConfigError('address', cannot);
    this.#warming.set(name, prepared);
    const failed = (await this.activate()).get(name);
    if (failed !== undefined) throw new ConfigError('address', failed);
  }

  remove(name: string): void {
    this.#warming.delete(name);
    this.#chains.forget(name);
    const listener = this.#running.get(name);
    if (listener === undefined) return;
    this.#running.delete(name);
    this.#retire(listener);
  }

  /**
   * Puts in force every warming listener that has all it needs. Called when routes or secrets arrive. Resolves with why
   * those of these names cannot listen.
   */
  async activate(): Promise<ReadonlyMap<string, string>> {
    const failed = new Map<string, string>();
    for (const [name, prepared] of [...this.#warming]) {
      const missing = prepared.missing();
      if (missing.length > 0) this.#events.onWarming(name, missing);
      if (missing.length > 0 || this.#warming.get(name) !== prepared) continue;
      this.#warming.delete(name);
      const reason = await this.#putInForce(name, prepared.compiled);
      if (reason !== undefined) failed.set(name, reason);
    }
    return failed;
  }

  /** Those that come later drain as well. */
  drain(inboundOnly: boolean): void {
    if (this.#draining !== 'all') this.#draining = inboundOnly ? 'inbound' : 'all';
    for (const listener of this.#running.values()) if (this.#drains(listener)) listener.drain();
  }

  /** Connections that are open were told already; those that come are told nothing. */
  undrain(): void {
    this.#draining = 'none';
    for (const listener of this.#running.values()) listener.undrain();
  }

  /** Takes no more connections. */
  stop(inboundOnly: boolean): void {
    for (const listener of this.#running.values()) if (!inboundOnly || listener.inbound) listener.stop();
  }

  destroy(): void {
    for (const listener of [...this.#running.values(), ...this.#leaving]) listener.destroy();
    this.#running.clear();
    this.#leaving.clear();
  }

  #cannotBind(name: string, compiled: CompiledListener): string | undefined {
    const { binds, host, port, ipv6Only } = compiled;
    const { tryBind, reusePort } = this.#host;
    const address = joinHostPort(host, port);
    const isOwn = this.#byAddress.has(address) || this.#running.get(name)?.sameAddress(compiled) === true;
    if (!binds || tryBind === undefined || isOwn) return undefined;
    try {
      tryBind({ host, port, ipv6Only, reusePort });
      return undefined;
    } catch (cause) {
      return `${address}: ${bindFailureText(cause)}`;
    }
  }

  async #putInForce(name: string, compiled: CompiledListener): Promise<string | undefined> {
    const running = this.#running.get(name);
    if (running !== undefined && running.sameAddress(compiled)) {
      running.replace(compiled);
      return undefined;
    }
    const listener = new Listener(compiled, this.#host, (wanted) => this.#of(wanted));
    try {
      const port = await listener.listen();
      this.#add(name, listener);
      if (this.#drains(listener)) listener.drain();
      if (running !== undefined) this.#retire(running);
      this.#events.onListening(name, port, listener.address, listener.descriptors);
      return undefined;
    } catch (cause) {
      const reason = `${joinHostPort(compiled.host, compiled.port)}: ${bindFailureText(cause)}`;
      // One that serves elsewhere under this name goes on.
      if (running === undefined) this.#events.onListenFailed(name, reason);
      return reason;
    }
  }

  /** Of the address itself before all addresses; an IPv6 one that takes IPv4 as well comes last (as in Envoy). */
  #of({ ip, port }: OriginalDestination): Listener | undefined {
    const exact = this.#byAddress.get(joinHostPort(ip, port));
    const everyIpv6 = this.#byAddress.get(joinHostPort('::', port));
    if (exact !== undefined || ip.includes(':')) return exact ?? everyIpv6;
    const everyIpv4 = this.#byAddress.get(joinHostPort('0.0.0.0', port));
    return everyIpv4 ?? (everyIpv6?.ipv6Only === false ? everyIpv6 : undefined);
  }

  #drains(listener: Listener): boolean {
    return this.#draining === 'all' || (this.#draining === 'inbound' && listener.inbound);
  }

  #add(name: string, listener: Listener): void {
    this.#running.set(name, listener);
    this.#byAddress.set(listener.address, listener);
  }

  /** Takes no more connections; those that it has finish. */
  #retire(listener: Listener): void {
    if (this.#byAddress.get(listener.address) === listener) this.#byAddress.delete(listener.address);
    this.#leaving.add(listener);
    listener.retire(() => this.#leaving.delete(listener));
  }
}
