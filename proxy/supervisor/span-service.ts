// Loads the span exporter when the first span comes: a proxy that traces nothing pays nothing for it.
import type { SpanRecord } from '../telemetry/span-record.ts';
import type { SpanExport, SpanExportOptions } from './span-export.ts';

export interface SpanServiceOptions extends Omit<SpanExportOptions, 'additionalUrls'> {
  /** node.metadata of the bootstrap; WEFT_ZIPKIN lists URLs that get every span as well. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

export class SpanService {
  readonly #options: SpanServiceOptions;
  #export: Promise<SpanExport> | undefined = undefined;

  constructor(options: SpanServiceOptions) {
    this.#options = options;
  }

  feed(spans: readonly SpanRecord[]): void {
    this.#export ??= this.#load();
    this.#export.then((exporter) => exporter.feed(spans), (cause: unknown) => {
      this.#options.log.error(`spans cannot be exported: ${String(cause)}`);
    });
  }

  async stop(): Promise<void> {
    await (await this.#export)?.stop();
  }

  async #load(): Promise<SpanExport> {
    const { SpanExport } = await import('./span-export.ts');
    const urls = this.#options.metadata['WEFT_ZIPKIN'];
    const additionalUrls = Array.isArray(urls) ? urls.filter((url) => typeof url === 'string') : [];
    return new SpanExport({ ...this.#options, additionalUrls });
  }
}
