// Says in a header of a denial which policy denied it, or which came nearest to permitting it, to whom may know.
import { ConfigError } from '../base/error.ts';
import type { AccessDecision } from '../telemetry/decision.ts';
import type { FilterStream } from './filter.ts';

/** In the request any value asks; in the answer it is the explanation. */
export const EXPLANATION_HEADER = 'x-weft-explain-denial';

const FIELD = 'node.metadata.WEFT_EXPLAIN_DENIALS';
const SPIFFE = 'spiffe://';
/** Of an answer's header. */
const CHARACTERS_MAX = 1024;

/**
 * `node.metadata.WEFT_EXPLAIN_DENIALS` lists who may ask: identities as policies write them
 * (`cluster.local/ns/ops/sa/admin`, or `cluster.local/ns/ops/*`). Policies are not everybody's to know: default nobody.
 */
export class DenialExplanation {
  readonly #permitted: readonly string[];

  /** Throws ConfigError. */
  constructor(metadata: Readonly<Record<string, unknown>>) {
    const list = metadata['WEFT_EXPLAIN_DENIALS'] ?? [];
    if (!Array.isArray(list) || !list.every((one): one is string => typeof one === 'string' && one !== '')) {
      throw new ConfigError(FIELD, "must be a list of identities, like 'cluster.local/ns/ops/sa/admin'");
    }
    this.#permitted = list;
  }

  /** Undefined: it did not ask, or may not know. */
  wordsFor({ policy, nearestMiss }: AccessDecision, { request, info }: FilterStream): string | undefined {
    if (this.#permitted.length === 0 || !request.headers.has(EXPLANATION_HEADER)) return undefined;
    const peer = info.connection.tls?.peerUriSan;
    if (peer === undefined || !this.#permitted.some((one) => isPermitted(peer, one))) return undefined;
    const words = policy === '' ? `no policy permits it; nearest is ${nearestMiss() ?? 'none'}` : `denied by ${policy}`;
    return words.replaceAll(/[^ -~]/g, '?').slice(0, CHARACTERS_MAX);
  }
}

function isPermitted(peer: string, permitted: string): boolean {
  if (!permitted.endsWith('*')) return peer === SPIFFE + permitted;
  return peer.startsWith(SPIFFE + permitted.slice(0, -1));
}
