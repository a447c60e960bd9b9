// A weft proxy with one route and an access log of its own, for tests of what an operator sees.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo } from './weft.ts';

const FILE_LOG = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';

export class LoggingProxy implements AsyncDisposable {
  readonly proxy: TestProxy;
  readonly #folder: string;

  private constructor(proxy: TestProxy, folder: string) {
    this.proxy = proxy;
    this.#folder = folder;
  }

  /** All goes to `cluster`, which is named app; `manager` adds fields to the connection manager. */
  static async start(format: string, cluster: unknown, manager: Record<string, unknown> = {}): Promise<LoggingProxy> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-test-'));
    const log = { name: 'file', typed_config: { '@type': FILE_LOG, path: join(folder, 'log'),
      log_format: { text_format_source: { inline_string: `${format}\n` } } } };
    const listener = httpListener([routeTo('app', { timeout: '0s' })], { access_log: [log], ...manager });
    return new LoggingProxy(await TestProxy.start(bootstrapOf([listener], [cluster])), folder);
  }

  /** Its lines once there are so many. */
  async lines(count: number): Promise<readonly string[]> {
    let lines: readonly string[] = [];
    await until(`${count} lines are logged`, async () => {
      lines = (await readFile(join(this.#folder, 'log'), 'utf8')).split('\n').slice(0, -1);
      return lines.length >= count;
    });
    return lines;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true });
  }
}
