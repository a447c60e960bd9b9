// Loads the file that a proxy starts with; every fault in it is one line with its place.
import { ConfigError } from '../base/error.ts';
import { Bootstrap } from './bootstrap.ts';
import { checkReferences } from './bootstrap-references.ts';
import { decode } from './decode.ts';
import { jsonSchemaOf } from './json-schema.ts';
import { readYamlFile } from './yaml-file.ts';

export interface LoadedBootstrap {
  readonly bootstrap: Bootstrap;
  /** What is ignored, one text each, with the place. */
  readonly warnings: string[];
}

/** All that is wrong with a configuration; its message has one line for each error. */
export class ConfigErrors extends Error {
  readonly errors: readonly ConfigError[];

  constructor(errors: readonly ConfigError[]) {
    super(errors.map((error) => error.message).join('\n'));
    this.name = 'ConfigErrors';
    this.errors = errors;
  }
}

/** Reads an Envoy v3 bootstrap in YAML or JSON; throws ConfigErrors. */
export async function loadBootstrap(file: string): Promise<LoadedBootstrap> {
  const { documents, errors } = await readYamlFile(file);
  if (errors.length > 0) throw new ConfigErrors(errors);
  const [document, second] = documents;
  if (document === undefined) throw new ConfigErrors([new ConfigError('', 'is empty; a bootstrap is needed', file)]);
  if (second !== undefined) {
    throw new ConfigErrors([new ConfigError('', 'a bootstrap is one document', second.locate([]))]);
  }
  const decoded = decode(Bootstrap, document.value, '', document.locate);
  if (decoded.value === undefined) throw new ConfigErrors(decoded.errors);
  const dangling = checkReferences(decoded.value, document.value, document.locate);
  if (dangling.length > 0) throw new ConfigErrors(dangling);
  return { bootstrap: decoded.value, warnings: decoded.warnings.map(String) };
}

/** JSON Schema of the bootstrap, for editors. */
export function bootstrapJsonSchema(): Record<string, unknown> {
  return jsonSchemaOf(Bootstrap);
}
