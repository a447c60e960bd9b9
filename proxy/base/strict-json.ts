// JSON of strangers in which every reader reads the same: UTF-8, no name twice in an object, finite numbers, not deep.
import { isUtf8 } from 'node:buffer';

/** Deeper objects and lists are refused. */
export const STRICT_JSON_DEPTH_MAX = 32;

/** The value; undefined for what is not such JSON. Names of objects are as they came: read them by Object.hasOwn. */
export function parseStrictJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    return namesOnce(text) && isFinite(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether no object of a valid text has a name twice, however it is escaped; false also where it is too deep. */
function namesOnce(text: string): boolean {
  const objects: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x7b || code === 0x5b) {
      objects.push(code === 0x7b ? new Set() : undefined);
      if (objects.length > STRICT_JSON_DEPTH_MAX) return false;
    } else if (code === 0x7d || code === 0x5d) {
      objects.pop();
    } else if (code === 0x22) {
      const end = stringEnd(text, i);
      const names = isName(text, end) ? objects.at(-1) : undefined;
      if (names !== undefined) {
        const name = JSON.parse(text.slice(i, end)) as string;
        if (names.has(name)) return false;
        names.add(name);
      }
      i = end - 1;
    }
  }
  return true;
}

/** Behind the closing quote of the string that begins at `start`. */
function stringEnd(text: string, start: number): number {
  let i = start + 1;
  while (text.charCodeAt(i) !== 0x22) i += text.charCodeAt(i) === 0x5c ? 2 : 1;
  return i + 1;
}

function isName(text: string, end: number): boolean {
  let i = end;
  while (i < text.length && text.charCodeAt(i) <= 0x20) i++;
  return text.charCodeAt(i) === 0x3a;
}

/** 1e400 is a number for JSON and infinite for us. Recursion is as deep as namesOnce has let through. */
function isFinite(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(isFinite);
}
