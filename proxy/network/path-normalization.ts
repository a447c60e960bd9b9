// Brings a request path into one form before policy and routing see it (threats.md S40; HCM
// normalize_path, merge_slashes).

/** What to do about %2F, %2f, %5C and %5c (path_with_escaped_slashes_action). */
export type EscapedSlashes = 'keep' | 'reject' | 'unescape-and-forward' | 'unescape-and-redirect';

export interface PathNormalization {
  /** RFC 3986 dot segments, and `\` as `/`. */
  readonly dotSegments: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: EscapedSlashes;
}

const PERCENT = 37;

/** Printable, and no part of RFC 3986's paths: written escaped, as their senders should have. */
const FOREIGN = /["<>^`{|}]/g;

/**
 * The path in its normal form, the query as it was; undefined refuses the request.
 * Applying it twice changes nothing more.
 */
export function normalizePath(target: string, rules: PathNormalization): string | undefined {
  const queryAt = target.indexOf('?');
  let path = queryAt === -1 ? target : target.slice(0, queryAt);
  const query = queryAt === -1 ? '' : target.slice(queryAt);
  if (path[0] !== '/') return target;
  if (rules.escapedSlashes !== 'keep') {
    const unescaped = unescapeSlashes(path);
    if (unescaped !== path && rules.escapedSlashes === 'reject') return undefined;
    path = unescaped;
  }
  if (rules.dotSegments) {
    if (!wellEscaped(path)) return undefined;
    path = path.replaceAll(FOREIGN, escaped);
    path = removeDotSegments(unescapeUnreserved(path.includes('\\') ? path.replaceAll('\\', '/') : path));
  }
  if (rules.mergeSlashes && path.includes('//')) path = mergeSlashes(path);
  return path + query;
}

function escaped(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** Of FOREIGN. */
function isForeign(code: number): boolean {
  if (code >= 0x7b) return code <= 0x7d;
  return code === 0x5e || code === 0x60 || code === 0x22 || code === 0x3c || code === 0x3e;
}

function isHex(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 70) || (code >= 97 && code <= 102);
}

/** Every % is followed by two hex digits, and no NUL is hidden. */
function wellEscaped(path: string): boolean {
  for (let i = path.indexOf('%'); i !== -1; i = path.indexOf('%', i + 1)) {
    if (!isHex(path.charCodeAt(i + 1)) || !isHex(path.charCodeAt(i + 2))) return false;
    if (path[i + 1] === '0' && path[i + 2] === '0') return false;
  }
  return true;
}

/** Whether the path, before its query, hides a slash of either kind. */
export function hasEscapedSlashes(target: string): boolean {
  const queryAt = target.indexOf('?');
  return /%(?:2f|5c)/i.test(queryAt === -1 ? target : target.slice(0, queryAt));
}

function unescapeSlashes(path: string): string {
  if (!path.includes('%')) return path;
  return path.replaceAll('%2F', '/').replaceAll('%2f', '/').replaceAll('%5C', '\\').replaceAll('%5c', '\\');
}

/**
 * Characters that mean the same escaped or not are written as they are (RFC 3986 section 6.2.2.2): every server behind
 * reads `%61` as `a` and `%2e` as a dot, so that rules must. Called when every % has two digits after it.
 */
function unescapeUnreserved(path: string): string {
  let at = path.indexOf('%');
  if (at === -1) return path;
  let out = '';
  let copied = 0;
  for (; at !== -1; at = path.indexOf('%', at + 3)) {
    const code = Number.parseInt(path.slice(at + 1, at + 3), 16);
    if (!isUnreserved(code)) continue;
    out += path.slice(copied, at) + String.fromCharCode(code);
    copied = at + 3;
  }
  return out + path.slice(copied);
}

/** Letters, digits, and - . _ ~ */
function isUnreserved(code: number): boolean {
  if ((code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)) return true;
  return code === 45 || code === 46 || code === 95 || code === 126;
}

/** RFC 3986 section 5.2.4, on a path that begins with a slash. */
function removeDotSegments(path: string): string {
  if (!path.includes('/.')) return path;
  const kept: string[] = [];
  const segments = path.split('/');
  const last = segments.length - 1;
  for (let i = 1; i <= last; i++) {
    const segment = segments[i]!;
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
    if (i === last && (segment === '.' || segment === '..')) kept.push('');
  }
  return `/${kept.join('/')}`;
}

function mergeSlashes(path: string): string {
  let out = '';
  let previous = 0;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code !== 47 || previous !== 47) out += path[i];
    previous = code;
  }
  return out;
}

/** Used by callers that only want to know whether a look is needed. */
export function mayNeedNormalization(path: string): boolean {
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code === PERCENT || code === 92 || isForeign(code)) return true;
    if (code === 47) {
      const next = path.charCodeAt(i + 1);
      if (next === 47 || next === 46) return true;
    } else if (code === 63) return false;
  }
  return false;
}
