// Keys of issuers that rules name, fetched and kept: once for all proxies, anew at intervals, old ones while it fails.
import type { Clock } from '../../proxy/base/clock.ts';
import { messageOf } from '../../proxy/base/error.ts';
import { parseStrictJson } from '../../proxy/base/strict-json.ts';
import { Timer } from '../../proxy/base/timers.ts';
import type { TimerTarget, TimerWheel } from '../../proxy/base/timers.ts';
import { msOr } from '../../proxy/config/duration.ts';
import type { JwtRule } from '../model/request-authentication.ts';
import type { KeySets } from '../translate/mesh-view.ts';
import { keySetFault } from './key-check.ts';

const REFRESH_MS = 5 * 60_000;
const RETRY_MS = 1000;
const RETRY_MS_MAX = 60_000;
/** Keys that cannot be fetched anew hold so long. */
export const STALE_MS_MAX = 24 * 3_600_000;
const TIMEOUT_MS = 5000;
/** More issuers are not asked, and their tokens refused. */
const SETS_MAX = 1000;

/** Fetches a body; rejects with an Error that says why it cannot. */
export type Fetch = (uri: string, timeoutMs: number) => Promise<Buffer>;

export interface KeySetsOptions {
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: { info(line: string): void; warning(line: string): void };
  /** Keys have come, changed, or hold no more. */
  onChange(): void;
}

type Named = Pick<JwtRule, 'issuer' | 'jwksUri' | 'timeout'>;

export class FetchedKeySets implements KeySets {
  readonly #options: KeySetsOptions;
  readonly #sets = new Map<string, KeySet>();

  constructor(options: KeySetsOptions) {
    this.#options = options;
  }

  get(rule: Named): string | undefined {
    return this.#sets.get(idOf(rule))?.text;
  }

  /** What these rules name is fetched and kept; what none of them names any more is forgotten. */
  watch(rules: readonly Named[]): void {
    const wanted = new Map(rules.map((rule) => [idOf(rule), rule]));
    for (const [id, set] of this.#sets) {
      if (wanted.has(id)) continue;
      set.stop();
      this.#sets.delete(id);
    }
    for (const [id, rule] of wanted) {
      if (this.#sets.has(id) || this.#sets.size >= SETS_MAX) continue;
      const set = new KeySet(rule, this.#options);
      this.#sets.set(id, set);
      set.onTimer();
    }
  }

  close(): void {
    this.watch([]);
  }
}

/** One that is named by many rules is fetched once. */
function idOf({ issuer, jwksUri }: Named): string {
  return jwksUri === undefined ? `issuer ${issuer}` : `uri ${jwksUri}`;
}

class KeySet implements TimerTarget {
  text: string | undefined = undefined;
  readonly #rule: Named;
  readonly #options: KeySetsOptions;
  readonly #timer: Timer;
  #fetchedMs = 0;
  #failures = 0;
  #stopped = false;

  constructor(rule: Named, options: KeySetsOptions) {
    this.#rule = rule;
    this.#options = options;
    this.#timer = new Timer(options.wheel, this);
  }

  onTimer(): void {
    void this.#refresh();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer.cancel();
  }

  async #refresh(): Promise<void> {
    try {
      const keys = await this.#fetch();
      if (!this.#stopped) this.#take(keys);
    } catch (cause) {
      if (!this.#stopped) this.#fail(messageOf(cause));
    }
  }

  async #fetch(): Promise<string> {
    const uri = this.#rule.jwksUri ?? await this.#discover();
    const bytes = await this.#ask(uri);
    const fault = keySetFault(bytes);
    if (fault !== undefined) throw new Error(`${uri} ${fault}`);
    return bytes.toString('utf8');
  }

  /** The issuer's own word where its keys are (OpenID Connect Discovery 1.0 section 4). */
  async #discover(): Promise<string> {
    const { issuer } = this.#rule;
    const uri = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const document = parseStrictJson(await this.#ask(uri)) as Record<string, unknown> | null | undefined;
    const member = (name: string): unknown =>
      (typeof document === 'object' && document !== null && Object.hasOwn(document, name) ? document[name] : undefined);
    if (member('issuer') !== issuer) throw new Error(`${uri} is about another issuer`);
    const keys = member('jwks_uri');
    if (typeof keys !== 'string') throw new Error(`${uri} does not say where the keys are`);
    return keys;
  }

  async #ask(uri: string): Promise<Buffer> {
    try {
      return await this.#options.fetch(uri, msOr(this.#rule.timeout, TIMEOUT_MS));
    } catch (cause) {
      throw new Error(`${uri} ${messageOf(cause)}`, { cause });
    }
  }

  #take(text: string): void {
    if (this.#failures > 0) this.#options.log.info(`keys of ${this.#rule.issuer}: fetched again`);
    this.#failures = 0;
    this.#fetchedMs = this.#options.clock.nowMs();
    this.#timer.arm(REFRESH_MS);
    this.#change(text);
  }

  #fail(reason: string): void {
    const ageMs = this.#options.clock.nowMs() - this.#fetchedMs;
    if (this.#failures++ === 0) {
      const meanwhile = this.text === undefined ? 'its tokens are refused until there are some'
        : 'old ones stay in use';
      this.#options.log.warning(`keys of ${this.#rule.issuer} cannot be fetched: ${reason}; ${meanwhile}`);
    }
    this.#timer.arm(Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(this.#failures - 1, 10)));
    if (this.text === undefined || ageMs < STALE_MS_MAX) return;
    this.#options.log.warning(`keys of ${this.#rule.issuer} are too old to be believed; its tokens are refused`);
    this.#change(undefined);
  }

  #change(text: string | undefined): void {
    if (text === this.text) return;
    this.text = text;
    this.#options.onChange();
  }
}
