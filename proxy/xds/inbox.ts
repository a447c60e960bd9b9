// Responses that wait to be applied: in order, but for those that listeners and routes may be waiting for.
import type { ResourceType } from '../config/any-registry.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, SECRET_TYPE } from '../config/type-url.ts';
import type { IncomingResponse } from './variant.ts';

/** At so many the stream is not read any more; a server that waits for answers never gets there. */
const WAITING_MAX = 16;

export class Inbox {
  readonly #mayApply: (type: ResourceType) => boolean;
  #waiting: IncomingResponse[] = [];

  constructor(mayApply: (type: ResourceType) => boolean) {
    this.#mayApply = mayApply;
  }

  get full(): boolean {
    return this.#waiting.length >= WAITING_MAX;
  }

  push(response: IncomingResponse): void {
    this.#waiting.push(response);
  }

  /** The next response that may be applied now. What it passes keeps its place. */
  take(): IncomingResponse | undefined {
    let isHeld = false;
    for (const [index, response] of this.#waiting.entries()) {
      if ((!isHeld || mayPass(response)) && this.#mayApply(response.type)) {
        this.#waiting.splice(index, 1);
        return response;
      }
      isHeld = true;
    }
    return undefined;
  }

  clear(): void {
    this.#waiting = [];
  }
}

/** Clusters that are removed may still be named by what is in force: only additions pass. */
function mayPass({ type, removed, complete }: IncomingResponse): boolean {
  if (type === CLUSTER_TYPE) return removed.length === 0 && !complete;
  return type === ENDPOINT_TYPE || type === SECRET_TYPE;
}
