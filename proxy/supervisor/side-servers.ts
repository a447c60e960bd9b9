// The servers of the main thread beside its workers' listeners: admin interface, health port, the application's socket.
// They are let go for another process that takes over, and opened again if it fails.
import type { AdminRequest, AdminResponse } from '../admin/admin-response.ts';
import type { AdminServer } from '../admin/admin-server.ts';
import { messageOf } from '../base/error.ts';
import type { Address } from '../config/address.ts';
import type { Logger } from '../telemetry/log.ts';
import type { LifecycleConfig } from './lifecycle-config.ts';
import type { LifecycleSocket } from './lifecycle-socket.ts';
import type { Readiness } from './readiness.ts';

export interface SideServersOptions {
  readonly adminAddress: Address | undefined;
  /** Of node.metadata.WEFT_ADMIN: holds what other hosts show to change something by the admin interface. */
  readonly adminTokenFile: string | undefined;
  readonly lifecycle: LifecycleConfig;
  readonly readiness: Readiness;
  readonly log: Logger;
  /** A request to the admin interface. */
  answer(request: AdminRequest): Promise<AdminResponse>;
  /** The application has done its work. */
  onDone(): void;
}

/** The process that had the addresses may take so long to be gone. */
const REOPEN_ATTEMPTS = 50;
const REOPEN_PAUSE_MS = 100;

export class SideServers {
  readonly #options: SideServersOptions;
  #admin: AdminServer | undefined = undefined;
  #health: AdminServer | undefined = undefined;
  #application: LifecycleSocket | undefined = undefined;

  constructor(options: SideServersOptions) {
    this.#options = options;
  }

  /** host:port, or a socket's path; '' without one. */
  get adminAddress(): string {
    return this.#admin?.address ?? '';
  }

  get healthAddress(): string {
    return this.#health?.address ?? '';
  }

  get application(): LifecycleSocket | undefined {
    return this.#application;
  }

  /** Loads what the bootstrap asks for. Rejects with a ConfigError. */
  async open(): Promise<void> {
    const { adminAddress, lifecycle: { health, socket, socketMode }, readiness, log, answer, onDone } = this.#options;
    if (health !== undefined) {
      const { startHealthServer } = await import('./health-server.ts');
      this.#health ??= await startHealthServer(health, readiness, log.component('lifecycle'));
    }
    if (socket !== undefined) {
      const { LifecycleSocket } = await import('./lifecycle-socket.ts');
      const host = { readiness, onDone };
      this.#application ??= await LifecycleSocket.open(socket, socketMode, host, log.component('lifecycle'));
    }
    const { adminTokenFile: tokenFile } = this.#options;
    if (adminAddress === undefined) return;
    const { AdminServer } = await import('../admin/admin-server.ts');
    this.#admin ??= await AdminServer.start(adminAddress, answer, log.component('admin'), { tokenFile });
  }

  /** Says what cannot be opened again, and leaves it. */
  async reopen(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.open();
        return;
      } catch (cause) {
        if (attempt < REOPEN_ATTEMPTS) await new Promise((resolve) => setTimeout(resolve, REOPEN_PAUSE_MS));
        else return this.#options.log.component('main').error(messageOf(cause));
      }
    }
  }

  async close(): Promise<void> {
    const [admin, health] = [this.#admin, this.#health];
    this.#application?.close();
    [this.#application, this.#admin, this.#health] = [undefined, undefined, undefined];
    await admin?.close();
    await health?.close();
  }
}
