// Reason phrases by status code (RFC 9110 section 15, and the registered ones beyond).
import { STATUS_CODES } from 'node:http';

/** The standard phrase, or Unknown. */
export function statusText(status: number): string {
  return STATUS_CODES[status] ?? 'Unknown';
}
