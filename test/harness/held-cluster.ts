// A cluster held in memory: notes the calls of filters to it, and answers when a test says so.
import type { RequestHead } from '../../proxy/http/message.ts';
import { ResponseHead } from '../../proxy/http/message.ts';
import type { AttemptSink, Cluster } from '../../proxy/upstream/upstream.ts';

export interface HeldCall {
  readonly head: RequestHead;
  readonly sink: AttemptSink;
}

export class HeldCluster {
  readonly calls: HeldCall[] = [];
  readonly cluster: Cluster;

  constructor() {
    const endpoint = { done: () => undefined };
    const attempt = { endpoint, sendData: () => true, cancel: () => undefined };
    this.cluster = {
      pick: () => endpoint,
      startAttempt: (_endpoint: unknown, sink: AttemptSink, head: RequestHead) => {
        this.calls.push({ head, sink });
        return attempt;
      },
    } as unknown as Cluster;
  }

  /** The newest call gets its answer. */
  answer(status: number, body: string): void {
    const { sink } = this.calls.at(-1)!;
    sink.onResponseHead(new ResponseHead(status), false);
    sink.onResponseData(Buffer.from(body), true);
  }
}
