// npm's `prepare`: makes what the repository does not hold, the protobuf schema of xDS and a warm compile cache.
import { join } from 'node:path';
import { messageOf } from '../proxy/base/error.ts';
import { SCHEMA_FILE } from '../proxy/config/wire-schema.ts';
import { warmCache } from './warm-cache.ts';
import { makeSchema } from './xds-schema.ts';

const ROOT = join(import.meta.dirname, '..');
const CACHE = join(ROOT, 'node_modules', '.cache', 'weft', 'compile');

/** Neither stops `npm ci`: a proxy from a static file needs no schema, and a cold cache costs time only. */
function warn(line: string): void {
  process.stderr.write(`prepare: ${line}\n`);
}

try {
  if (makeSchema(SCHEMA_FILE)) process.stdout.write('prepare: made the protobuf schema of xDS\n');
} catch (cause) {
  warn(messageOf(cause));
}

try {
  const warmed = await warmCache(ROOT, CACHE);
  if (warmed !== undefined) process.stdout.write(`prepare: compiled ${warmed.files} files into the cache\n`);
  for (const line of warmed?.failed ?? []) warn(`not compiled: ${line}`);
} catch (cause) {
  warn(`the compile cache could not be filled, so that starts are slower: ${messageOf(cause)}`);
}
