// One response on its way into force: what of it is wanted and may be used is applied, and what became of it is said.
import { messageOf } from '../base/error.ts';
import type { ResourceType } from '../config/any-registry.ts';
import type { ResourceRefusal } from '../config/discovery.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import type { ResourceBatch, ResourceOwner } from './resource-client.ts';
import type { DecodedResource, DecodedResponse } from './resource-decode.ts';
import { nameOfType } from './resource-type.ts';
import type { Subscription } from './subscription.ts';
import type { IncomingResponse } from './variant.ts';

export class ResponseIntake {
  readonly #log: ComponentLog;
  readonly #owner: ResourceOwner;

  constructor(log: ComponentLog, owner: ResourceOwner) {
    this.#log = log;
    this.#owner = owner;
  }

  /** Undefined when nothing is known of what it holds: then nothing may be taken for removed. */
  async admit(type: ResourceType, decode: () => Promise<DecodedResponse>): Promise<DecodedResponse | undefined> {
    try {
      const decoded = await decode();
      for (const warning of decoded.warnings) this.#owner.onWarning(warning);
      return this.#checked(type, decoded);
    } catch (cause) {
      this.#log.error(`decoding ${nameOfType(type).singular}s failed: ${messageOf(cause)}`);
      return undefined;
    }
  }

  /** Resolves with what was refused, when the rest is in force. */
  async apply(
    subscription: Subscription, response: Pick<IncomingResponse, 'removed' | 'complete'>,
    decoded: DecodedResponse | undefined,
  ): Promise<readonly ResourceRefusal[]> {
    if (decoded === undefined) return [{ name: '', reason: 'the response could not be decoded' }];
    const { type, wildcard, names, held } = subscription;
    const updated = decoded.updated.filter(({ name }) => wildcard || names.has(name));
    const listed = [...decoded.updated, ...decoded.refused].map(({ name }) => name);
    const removed = removedBy(subscription, response, listed);
    const refused = [...decoded.refused, ...await this.#applyBatch({ type, updated, removed })];
    const bad = new Set(refused.map(({ name }) => name));
    for (const { name, version } of updated) if (!bad.has(name)) held.set(name, version);
    if (wildcard) for (const name of removed) held.delete(name);
    return refused;
  }

  /** What is valid by itself may still be of no use here. */
  #checked(type: ResourceType, decoded: DecodedResponse): DecodedResponse {
    const updated: DecodedResource[] = [];
    const refused = [...decoded.refused];
    for (const resource of decoded.updated) {
      const reason = this.#owner.check(type, resource.resource);
      if (reason === undefined) updated.push(resource);
      else refused.push({ name: resource.name, reason });
    }
    return { ...decoded, updated, refused };
  }

  /** An owner that throws has refused everything; the source lives on (faults.md F20). */
  async #applyBatch(batch: ResourceBatch): Promise<readonly ResourceRefusal[]> {
    try {
      return await this.#owner.apply(batch);
    } catch (cause) {
      this.#log.error(`applying ${nameOfType(batch.type).singular}s failed: ${messageOf(cause)}`);
      return batch.updated.map(({ name }) => ({ name, reason: 'could not be applied' }));
    }
  }
}

/** Of all that are held, what a complete response leaves out is gone; of the named ones only what is wanted counts. */
function removedBy(
  { wildcard, names, held }: Subscription, { complete, removed }: Pick<IncomingResponse, 'removed' | 'complete'>,
  listed: readonly string[],
): readonly string[] {
  if (complete) return [...new Set(held.keys()).difference(new Set(listed))];
  return removed.filter((name) => (wildcard ? held.has(name) : names.has(name)));
}
