// Maps a path in the model's spelling to the spelling that the writer of a file used.
import { camelCase, snakeCase } from './schema.ts';

/** The same path with each name as it stands in `input`; a name that is not there is spelled like its neighbours. */
export function writtenPath(input: unknown, path: readonly (string | number)[]): (string | number)[] {
  let here: unknown = input;
  return path.map((segment) => {
    const written = typeof segment === 'number' ? segment : writtenKey(here, segment);
    here = typeof here === 'object' && here !== null ? (here as Record<string | number, unknown>)[written] : undefined;
    return written;
  });
}

function writtenKey(parent: unknown, key: string): string {
  if (typeof parent !== 'object' || parent === null || Object.hasOwn(parent, key)) return key;
  const keys = Object.keys(parent);
  const written = keys.find((other) => camelCase(other) === key);
  return written ?? (keys.some((other) => /[a-z][A-Z]/.test(other)) ? key : snakeCase(key));
}
