// Routes that answer by themselves (envoy.config.route.v3.DirectResponseAction).
import { readFileSync } from 'node:fs';
import { wireText } from '../base/ascii.ts';
import { ConfigError, messageOf } from '../base/error.ts';
import type { DataSource } from '../config/data-source.ts';
import type { DirectResponseAction as DirectResponseConfig } from '../config/route-action.ts';
import type { DirectResponseAction } from './route-entry.ts';

/** Envoy's default for max_direct_response_body_size_bytes. */
export const DIRECT_BODY_BYTES_MAX = 4096;

/** Compiles the answer. Throws ConfigError below `path` for a body over the limit or one that cannot be read. */
export function compileDirectResponse(
  config: DirectResponseConfig,
  bytesMax: number,
  path: string,
): DirectResponseAction {
  const body = config.body === undefined ? '' : readBody(config.body, `${path}.body`);
  if (body.length > bytesMax) {
    const limit = `${bytesMax} is the limit (maxDirectResponseBodySizeBytes)`;
    throw new ConfigError(`${path}.body`, `has ${body.length} bytes, ${limit}`);
  }
  return { kind: 'direct', status: config.status, body };
}

function readBody(source: DataSource, path: string): string {
  if (source.inlineString !== undefined) return wireText(source.inlineString);
  if (source.inlineBytes !== undefined) return Buffer.from(source.inlineBytes, 'base64').toString('latin1');
  if (source.filename !== undefined) return readFile(source.filename, `${path}.filename`);
  const name = source.environmentVariable ?? '';
  const value = process.env[name];
  if (value === undefined) throw new ConfigError(`${path}.environmentVariable`, `'${name}' is not set`);
  return wireText(value);
}

function readFile(filename: string, path: string): string {
  try {
    return readFileSync(filename, 'latin1');
  } catch (cause) {
    throw new ConfigError(path, messageOf(cause));
  }
}
