// Our control plane's server with meshes that were encoded before they are pushed, so that a push is the proxy's time.
import { ServerCredentials } from '@grpc/grpc-js';
import { listenXds, makeXdsServer } from '../../control/push/listen.ts';
import { PushServer } from '../../control/push/push-server.ts';
import { EMPTY_SNAPSHOT, SnapshotBuilder } from '../../control/push/snapshot.ts';
import type { Snapshot, SnapshotInput } from '../../control/push/snapshot.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { Wire } from '../../proxy/config/wire.ts';
import { until } from '../../test/harness/until.ts';

/** A push that takes longer has failed. */
const PUSH_MS_MAX = 300_000;

export class PushControl {
  readonly #builder: SnapshotBuilder;
  readonly #push: PushServer;
  readonly #stop: () => void;
  readonly port: number;
  #snapshot: Snapshot = EMPTY_SNAPSHOT;

  private constructor(builder: SnapshotBuilder, push: PushServer, port: number, stop: () => void) {
    this.#builder = builder;
    this.#push = push;
    this.port = port;
    this.#stop = stop;
  }

  static async start(): Promise<PushControl> {
    const wire = new Wire();
    const warning = (line: string): void => void process.stderr.write(`${line}\n`);
    const log = { info: (): void => undefined, warning };
    const push = new PushServer({
      wire, log, clock: systemClock, wheel: new TimerWheel(systemClock), snapshotFor: () => control.#snapshot,
    });
    const server = makeXdsServer(push);
    const port = await listenXds(server, '127.0.0.1:0', ServerCredentials.createInsecure());
    const control = new PushControl(new SnapshotBuilder(wire), push, port, () => server.forceShutdown());
    return control;
  }

  /** For push(). */
  encode(mesh: SnapshotInput): Snapshot {
    return this.#builder.build(mesh);
  }

  /** Resolves with milliseconds until the one proxy has acknowledged all of it; rejects when it refuses any. */
  async push(snapshot: Snapshot): Promise<number> {
    this.#snapshot = snapshot;
    const begin = performance.now();
    this.#push.refresh();
    await until('the proxy has acknowledged all', () => this.#isRunning(snapshot), PUSH_MS_MAX);
    return performance.now() - begin;
  }

  stop(): void {
    this.#stop();
  }

  #isRunning(snapshot: Snapshot): boolean {
    const receipts = this.#push.receipts.list().filter(({ connected }) => connected);
    if (receipts.length !== 1) return false;
    const [{ types, id }] = receipts as [typeof receipts[number]];
    const nack = types.find((type) => type.nack !== undefined)?.nack;
    if (nack !== undefined) throw new Error(`the proxy refused it: ${nack.reason}`);
    if (types.length < 4 || types.some(({ sent, acked, pending }) => pending || sent !== acked)) return false;
    const record = this.#push.receipts.get(id)!;
    return [...snapshot.types].every(([type, resources]) => record.running(type).size === resources.size
      && resources.values().every(({ name, version }) => record.running(type).get(name) === version));
  }
}
