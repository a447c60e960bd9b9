// A decision about access that somebody wants to hear of: a request or connection turned away or marked, and why.

/** `audited`: let on, and a policy (AUDIT, LOG) marks it. `would-deny`: let on by the dry run of a denial. */
export type DecisionOutcome = 'denied' | 'audited' | 'would-deny';

export interface AccessDecision {
  readonly outcome: DecisionOutcome;
  /** Name of the filter that decided. */
  readonly filter: string;
  /** The policy that matched; '' where none did. */
  readonly policy: string;
  /** As %RESPONSE_CODE_DETAILS% of a request that is denied. */
  readonly detail: string;
  /** Which policy would have permitted it but for what; worked out when it is asked. Undefined: nothing is near. */
  nearestMiss(): string | undefined;
}
