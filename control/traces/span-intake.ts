// Takes Zipkin v2 spans over HTTP into the store: JSON bodies of a bounded size, whatever else is refused by status.
import type { IncomingMessage } from 'node:http';
import { parseSpans } from './span.ts';
import type { TraceStore } from './trace-store.ts';

/** A batch of the sidecars' exporters is some hundred spans of about 1 KiB. */
export const BODY_BYTES_MAX = 4_194_304;

/** Status and text of the answer. */
export interface IntakeResult {
  readonly status: number;
  readonly text: string;
}

/** Reads the request to its end, or to the limit. Zipkin answers 202 and nothing more. */
export async function takeSpans(request: IncomingMessage, store: TraceStore): Promise<IntakeResult> {
  const type = (request.headers['content-type'] ?? 'application/json').split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') return { status: 415, text: 'spans are taken as application/json' };
  if (request.headers['content-encoding'] !== undefined) return { status: 415, text: 'spans are taken uncompressed' };
  const body = await readBody(request);
  if (body === undefined) return { status: 413, text: `a body has at most ${BODY_BYTES_MAX} bytes` };
  const batch = parseSpans(body);
  if (batch === undefined) return { status: 400, text: 'the body is not a JSON list of spans' };
  for (const span of batch.spans) store.add(span);
  store.counts.rejected += batch.rejected;
  return { status: 202, text: '' };
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
