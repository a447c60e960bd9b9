// The mechanics of trying again: how long to wait, and which endpoints have had their turn. Whether to is the route's
// policy.
import { isDeepStrictEqual } from 'node:util';
import type { LbMetadata } from '../base/metadata-match.ts';
import type { Random } from '../base/random.ts';
import type { OverrideHost } from '../telemetry/stream-info.ts';
import { PreviousPriorities } from './load-balancer/retry-priority.ts';
import type { Endpoint, PickContext, PickWishes } from './upstream.ts';

/** Past this exponent every base is over any sensible maximum, and 2^n must stay a number. */
const EXPONENT_MAX = 30;

/**
 * Milliseconds before retry number `retry` (0 for the first): full jitter, uniform in [0, min(base * 2^retry, max)), as
 * Envoy's retry_back_off.
 */
export function backoffMs(baseMs: number, maxMs: number, retry: number, random: Random): number {
  const ceiling = Math.min(baseMs * 2 ** Math.min(retry, EXPONENT_MAX), maxMs);
  return random.float() * ceiling;
}

/** Milliseconds before a retry whose response said `leastMs`: up to half of it more, as in Envoy. */
export function limitedBackoffMs(leastMs: number, random: Random): number {
  return leastMs + random.float() * (leastMs / 2);
}

/** Where retries go, of a route's retry policy. */
export interface RetryHostRules {
  /** Not to endpoints that were tried. */
  readonly avoidPreviousHosts: boolean;
  /** Not to endpoints whose metadata say `canary`. */
  readonly omitCanaryHosts: boolean;
  /** Not to endpoints that have all of one of these labels in their metadata. */
  readonly omitMetadata: readonly (readonly (readonly [string, unknown])[])[];
  /** Picks before an endpoint that should be avoided is taken. */
  readonly hostSelectionMaxAttempts: number;
  /** After so many tries, other priorities; 0 is never. */
  readonly priorityFrequency: number;
}

export const ANY_HOST: RetryHostRules = {
  avoidPreviousHosts: false, omitCanaryHosts: false, omitMetadata: [], hostSelectionMaxAttempts: 0,
  priorityFrequency: 0,
};

const NO_WISHES: PickWishes = {};

/** The endpoints that a request has tried. As a pick's context it asks for others as the rules say. */
export class RetryHosts implements PickContext {
  readonly wishes: PickWishes;
  readonly retryPriority: PreviousPriorities | undefined;
  readonly #rules: RetryHostRules;
  readonly #tried: Endpoint[] = [];

  constructor(rules: RetryHostRules, wishes: PickWishes = NO_WISHES) {
    this.#rules = rules;
    this.wishes = wishes;
    this.retryPriority = rules.priorityFrequency > 0 ? new PreviousPriorities(rules.priorityFrequency) : undefined;
  }

  get maxAttempts(): number {
    return this.#rules.hostSelectionMaxAttempts;
  }

  /** Retries go wherever the policy says, as in Envoy. */
  get override(): OverrideHost | undefined {
    return this.#tried.length === 0 ? this.wishes.override : undefined;
  }

  /** Endpoints tried so far, oldest first. */
  get tried(): readonly Endpoint[] {
    return this.#tried;
  }

  add(endpoint: Endpoint): void {
    this.retryPriority?.onAttempt(endpoint.priority);
    if (!this.#tried.includes(endpoint)) this.#tried.push(endpoint);
  }

  /** Nothing before the first try is over: rules are for retries. */
  avoid(endpoint: Endpoint): boolean {
    if (this.#tried.length === 0) return false;
    const { avoidPreviousHosts, omitCanaryHosts, omitMetadata } = this.#rules;
    if (avoidPreviousHosts && this.#tried.includes(endpoint)) return true;
    const { lbMetadata } = endpoint;
    if (lbMetadata === undefined) return false;
    if (omitCanaryHosts && Object.hasOwn(lbMetadata, 'canary') && lbMetadata['canary'] === true) return true;
    return omitMetadata.some((labels) => hasLabels(lbMetadata, labels));
  }
}

/** A list in the metadata has the label when one of its values is it, as in Envoy. */
function hasLabels(metadata: LbMetadata, labels: readonly (readonly [string, unknown])[]): boolean {
  return labels.every(([name, wanted]) => {
    if (!Object.hasOwn(metadata, name)) return false;
    const value = metadata[name];
    return Array.isArray(value) ? value.some((each) => isDeepStrictEqual(each, wanted))
      : isDeepStrictEqual(value, wanted);
  });
}
