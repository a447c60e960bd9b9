// Reads what a DataSource of the configuration points at. Done when configuration is compiled, never per connection.
import { readFileSync } from 'node:fs';
import { ConfigError, messageOf } from '../base/error.ts';
import type { DataSource } from '../config/data-source.ts';

/** The bytes behind a DataSource. A ConfigError names `path` when there are none; the bytes are never part of it. */
export function readDataSource(source: DataSource, path: string): Buffer {
  if (source.inlineString !== undefined) return Buffer.from(source.inlineString);
  if (source.inlineBytes !== undefined) return Buffer.from(source.inlineBytes, 'base64');
  if (source.environmentVariable !== undefined) return fromEnvironment(source.environmentVariable, path);
  if (source.filename === undefined) throw new ConfigError(path, 'is empty: give inline_string or filename');
  try {
    return readFileSync(source.filename);
  } catch (cause) {
    throw new ConfigError(path, `cannot read ${source.filename}: ${messageOf(cause)}`);
  }
}

function fromEnvironment(name: string, path: string): Buffer {
  const text = process.env[name];
  if (text === undefined) throw new ConfigError(path, `the environment variable ${name} is not set`);
  return Buffer.from(text);
}
