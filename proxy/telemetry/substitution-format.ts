// A configured SubstitutionFormatString (text or JSON, in place or in a file), compiled.
import { readFileSync } from 'node:fs';
import { ConfigError, messageOf } from '../base/error.ts';
import type { DataSource } from '../config/data-source.ts';
import type { SubstitutionFormatString } from '../config/substitution-format.ts';
import type { CompiledFormat } from './formatter.ts';
import { compileFormat } from './formatter.ts';
import { compileJsonFormat } from './json-format.ts';

/** Throws ConfigError below `path` for an unknown operator or a source that cannot be read. */
export function compileSubstitutionFormat(format: SubstitutionFormatString, path: string): CompiledFormat {
  const omitEmptyValues = format.omitEmptyValues === true;
  if (format.jsonFormat !== undefined) {
    return compileJsonFormat(format.jsonFormat, { path: `${path}.jsonFormat`, omitEmptyValues });
  }
  const sourcePath = `${path}.textFormatSource`;
  return compileFormat(readText(format.textFormatSource ?? {}, sourcePath), { path: sourcePath, omitEmptyValues });
}

function readText(source: DataSource, path: string): string {
  if (source.inlineString !== undefined) return source.inlineString;
  if (source.inlineBytes !== undefined) return Buffer.from(source.inlineBytes, 'base64').toString('utf8');
  if (source.environmentVariable !== undefined) {
    const text = process.env[source.environmentVariable];
    if (text !== undefined) return text;
    throw new ConfigError(path, `environment variable ${source.environmentVariable} is not set`);
  }
  try {
    return readFileSync(source.filename ?? '', 'utf8');
  } catch (cause) {
    throw new ConfigError(`${path}.filename`, messageOf(cause));
  }
}
