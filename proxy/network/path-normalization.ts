// Brings a request path into one form before policy and routing see it (threats.md S40; HCM
// normalize_path, merge_slashes).

/**
 * What to do about %2F, %2f, %5C and %5c (path_with_escaped_slashes_action; its redirect is refused in configuration).
 */
export type EscapedSlashes = 'keep' | 'reject' | 'unescape-and-forward';

export interface PathNormalization {
  /** RFC 3986 dot segments, and `\` as `/`. */
  readonly dotSegments: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: EscapedSlashes;
}

const PERCENT = 37;

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
    path = removeDotSegments(unescapeUnreserved(path.includes('\\') ? path.replaceAll('\\', '/') : path));
  }
  if (rules.mergeSlashes && path.includes('//')) path = mergeSlashes(path);
  return path + query;
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

function unescapeSlashes(path: string): string {
  if (!path.includes('%')) return path;
  return path.replaceAll('%2F', '/').replaceAll('%2f', '/').replaceAll('%5C', '\\').replaceAll('%5c', '\\');
}

/**
 * `%61` is an `a`, and `%2e` a dot, to every server behind, so it must be one here (RFC 3986 section 6.2.2.2). Once
 * only: what comes out is a letter, a digit or one of -._~ and never a percent sign.
 */
function unescapeUnreserved(path: string): string {
  let out = '';
  let kept = 0;
  for (let i = path.indexOf('%'); i !== -1; i = path.indexOf('%', i + 1)) {
    const code = Number.parseInt(path.slice(i + 1, i + 3), 16);
    if (!isUnreserved(code)) continue;
    out += path.slice(kept, i) + String.fromCharCode(code);
    kept = i + 3;
  }
  return kept === 0 ? path : out + path.slice(kept);
}

/** RFC 3986 section 2.3. */
function isUnreserved(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57)
    || code === 45 || code === 46 || code === 95 || code === 126;
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
    if (code === PERCENT || code === 92) return true;
    if (code === 47) {
      const next = path.charCodeAt(i + 1);
      if (next === 47 || next === 46) return true;
    } else if (code === 63) return false;
  }
  return false;
}
