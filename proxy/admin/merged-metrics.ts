// Metrics of a pod at one place: the proxy's, then the application's.
import type { IncomingMessage } from 'node:http';
import { ConfigError } from '../base/error.ts';

const http = process.getBuiltinModule('node:http');

const TIMEOUT_MS = 10_000;
const BODY_BYTES_MAX = 33_554_432;

export interface MetricsTarget {
  readonly port: number;
  readonly path: string;
}

/** Istio's ISTIO_PROMETHEUS_ANNOTATIONS; undefined where the application has none. */
export function readMetricsTarget(value: unknown): MetricsTarget | undefined {
  if (value === undefined) return undefined;
  const { scrape, port, path } = value as { readonly [field: string]: unknown };
  if (scrape !== 'true') return undefined;
  const number = port === undefined || port === '' ? 80 : Number(port);
  if (!Number.isInteger(number) || number < 1 || number > 65_535) {
    throw new ConfigError('ISTIO_PROMETHEUS_ANNOTATIONS.port', 'must be a port');
  }
  const text = typeof path === 'string' && path !== '' ? path : '/metrics';
  return { port: number, path: text.startsWith('/') ? text : `/${text}` };
}

export interface Scrape {
  readonly status: number;
  readonly body: string;
}

/** Over loopback, which no redirection touches. Rejects with why there is none. */
export function scrape({ port, path }: MetricsTarget): Promise<Scrape> {
  const { promise, resolve, reject } = Promise.withResolvers<Scrape>();
  const options = {
    host: '127.0.0.1', port, path, agent: false, maxHeaderSize: 65_536, signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: { accept: 'text/plain;version=0.0.4', 'accept-encoding': 'identity' },
  };
  const request = http.get(options, (response: IncomingMessage) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > BODY_BYTES_MAX) response.destroy(new Error(`is longer than ${BODY_BYTES_MAX} bytes`));
    });
    response.on('end', () => {
      resolve({ status: response.statusCode ?? 500, body: Buffer.concat(chunks).toString() });
    });
    response.on('error', reject);
  });
  request.on('error', reject);
  return promise;
}

/** One after the other; a mark of the end that OpenMetrics has would hide what follows. */
export function joined(texts: readonly string[]): string {
  return texts.map((text) => text.replace(/# EOF\s*$/, '')).map((text) => (
    text === '' || text.endsWith('\n') ? text : `${text}\n`)).join('');
}
