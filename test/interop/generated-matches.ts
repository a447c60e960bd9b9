// The generator's route matches, and requests that fit them or just do not.
import type { HeaderMatcher, QueryParameterMatcher } from '../../proxy/config/header-matcher.ts';
import type { StringMatcher } from '../../proxy/config/matcher.ts';
import type { RouteMatch } from '../../proxy/config/route-match.ts';
import type { Draw } from '../harness/draw.ts';

/** Patterns over paths, each with texts that fit or nearly do. */
export const PATH_PATTERNS: readonly (readonly [string, readonly string[]])[] = [
  ['/a/[0-9]+', ['/a/1', '/a/12', '/a/', '/a/1x', '/a/1/', '/x/a/1']],
  ['/(v1|v2)/.*', ['/v1/', '/v1/x', '/v2', '/v3/x', '/v1/\u00e9']],
  ['/a(/.*)?', ['/a', '/a/', '/a/b', '/ab']],
  ['(?i)/api/.*', ['/API/x', '/api/', '/Api']],
  ['/[^/]+/b', ['/a/b', '/%2F/b', '/a/c/b', '//b']],
  ['.*\\.html?', ['/x.html', '/x.htm', '/xhtml', '/a/.html']],
  ['/a/.*/z', ['/a/b/z', '/a//z', '/a/z']],
  ['/(?:a|ab)(?:c|bcd)d*', ['/abcd', '/acd', '/abcdd', '/ab']],
  ['/\\w{2,3}', ['/ab', '/abc', '/abcd', '/a-b']],
  ['/[[:alpha:]]+', ['/abc', '/ab1', '/']],
];
/** URI templates, what they are rewritten to, and texts that fit or nearly do. */
export const PATH_TEMPLATES: readonly (readonly [string, string, readonly string[]])[] = [
  ['/a/{x}', '/{x}/new', ['/a/1', '/a/', '/a/b/c', '/a/b%20c', '/A/1']],
  ['/{v=*}/{rest=**}', '/{rest}/of/{v}', ['/v1/x', '/v1/x/y', '/v1/', '/v1', '/v1/a%2Fb']],
  ['/api/*', '/plain', ['/api/x', '/api/', '/api/x/y', '/api/~']],
  ['/**.html', '/page', ['/x.html', '/a/b.html', '/.html', '/x.htm']],
];
const VALUE_PATTERNS: readonly (readonly [string, readonly string[]])[] = [
  ['a.c', ['abc', 'ac', 'xabc']], ['(?i)yes|no', ['YES', 'no', 'yesno', 'n']], ['[0-9]*', ['', '12', '1a']],
  ['a+b?', ['a', 'aab', 'b']], ['.*x.*', ['x', 'axb', 'a']], ['^v1$', ['v1', 'v10']],
];
export const PATHS = ['/', '/a', '/a/b', '/a/b/c', '/api', '/api/v1', '/API/v1', '/x.y', '/a%2Fb', '/a-b', '/a~b',
  '/v1', '/long/path/of/words', '/a;b', '/b/', '/a+b', '/a=b', '/a%20b', '/~', '/:x', '/@', '/a,b'];
export const VALUES = ['1', 'a', 'abc', 'ABC', 'v1', 'yes', 'a,b', 'a b', '-5', '10', '0x1', 'true', 'x', ''];
export const NAMES = ['x-a', 'x-b', 'X-Case', 'user-agent', 'cookie', 'accept', 'x-n', 'content-type', 'origin'];
const QUERY_NAMES = ['q', 'a', 'id', 'A', 'q.x', '%71'];

export function drawMatch(draw: Draw): RouteMatch {
  return {
    ...drawPath(draw),
    ...draw.maybe(0.35, () => ({ headers: [drawHeader(draw), ...draw.some(1, () => drawHeader(draw))] })),
    ...draw.maybe(0.2, () => ({ queryParameters: [drawQuery(draw), ...draw.some(1, () => drawQuery(draw))] })),
    ...draw.maybe(0.06, () => ({ grpc: {} })),
    ...draw.maybe(0.05, () => ({ runtimeFraction: { defaultValue: { numerator: draw.pick([0, 100]) } } })),
  };
}

function drawPath(draw: Draw): RouteMatch {
  const text = draw.pick(PATHS);
  const ignoring = draw.maybe(0.2, () => ({ caseSensitive: false }));
  switch (draw.below(7)) {
    case 0: return { path: text, ...ignoring };
    case 1: return { safeRegex: { regex: draw.pick(PATH_PATTERNS)[0] } };
    case 2: return text.length > 1 && !text.endsWith('/') ? { pathSeparatedPrefix: text, ...ignoring } : { path: text };
    case 3: return { prefix: '/' };
    case 4: return { pathMatchPolicy: { name: 'template', typedConfig: {
      '@type': 'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig',
      pathTemplate: draw.pick(PATH_TEMPLATES)[0] } } };
    default: return { prefix: text, ...ignoring };
  }
}

function drawString(draw: Draw): StringMatcher {
  const text = draw.pick(VALUES.filter((value) => value !== ''));
  const ignoring = draw.maybe(0.25, () => ({ ignoreCase: true }));
  switch (draw.below(6)) {
    case 0: return { prefix: text, ...ignoring };
    case 1: return { suffix: text, ...ignoring };
    case 2: return { contains: text, ...ignoring };
    case 3: return { safeRegex: { regex: draw.pick(VALUE_PATTERNS)[0] } };
    default: return { exact: text, ...ignoring };
  }
}

export function drawHeader(draw: Draw): HeaderMatcher {
  const flags = {
    ...draw.maybe(0.25, () => ({ invertMatch: true })),
    ...draw.maybe(0.15, () => ({ treatMissingHeaderAsEmpty: true })),
  };
  if (draw.chance(0.12)) return { name: ':method', stringMatch: { exact: draw.pick(['GET', 'POST', 'get']) },
    ...flags };
  if (draw.chance(0.06)) return { name: draw.pick([':path', ':scheme', ':authority']), stringMatch: drawString(draw) };
  const name = draw.pick(NAMES);
  switch (draw.below(5)) {
    case 0: return { name, presentMatch: draw.chance(0.7), ...flags };
    case 1: return { name, rangeMatch: { start: draw.pick([-10, 0, 1, 5]), end: draw.pick([10, 11, 100]) }, ...flags };
    case 2: return { name, ...flags };
    default: return { name, stringMatch: drawString(draw), ...flags };
  }
}

function drawQuery(draw: Draw): QueryParameterMatcher {
  const name = draw.pick(QUERY_NAMES);
  switch (draw.below(4)) {
    case 0: return { name, presentMatch: draw.chance(0.7) };
    case 1: return { name };
    default: return { name, stringMatch: drawString(draw) };
  }
}

/** A text that the matcher admits, or one beside it. */
export function textFor(draw: Draw, matcher: StringMatcher): string {
  const text = matcher.exact ?? matcher.prefix ?? matcher.suffix ?? matcher.contains;
  if (text === undefined) {
    const pattern = VALUE_PATTERNS.find(([regex]) => regex === matcher.safeRegex?.regex);
    return draw.pick(pattern?.[1] ?? VALUES);
  }
  switch (draw.below(8)) {
    case 0: return `${text}z`;
    case 1: return `z${text}`;
    case 2: return text.toUpperCase();
    case 3: return text.slice(0, -1);
    default: return text;
  }
}

/** The row of PATH_TEMPLATES that a match is of. */
export function templateOf({ pathMatchPolicy }: RouteMatch): (typeof PATH_TEMPLATES)[number] | undefined {
  return PATH_TEMPLATES.find(([template]) => template === pathMatchPolicy?.typedConfig.pathTemplate);
}

/** The path that a match is about, or one beside it; without a query. */
export function pathFor(draw: Draw, match: RouteMatch): string {
  const pattern = PATH_PATTERNS.find(([regex]) => regex === match.safeRegex?.regex);
  if (pattern !== undefined) return draw.pick(pattern[1]);
  const template = templateOf(match);
  if (template !== undefined) return draw.pick(template[2]);
  const text = match.path ?? match.prefix ?? match.pathSeparatedPrefix ?? '/';
  switch (draw.below(18)) {
    case 0: return `${text}x`;
    case 1: return `${text}/`;
    case 2: return `${text}/x/y`;
    case 3: return text.toUpperCase();
    case 4: return text.slice(0, -1) || '/';
    case 5: return `/${text}`;
    case 6: return text.replace('a', '%61');
    case 7: return `${text};p=1`;
    case 8: return `/z/..${text}`;
    case 9: return `${text}/../b`;
    case 10: return text.replaceAll('/', '//');
    case 11: return `${text}%2fz`;
    case 12: return `${text}/.`;
    default: return text;
  }
}

/** The header fields that a match asks for, or ones beside them. */
export function headersFor(draw: Draw, matchers: readonly HeaderMatcher[]): [string, string][] {
  return matchers.filter(({ name }) => !name.startsWith(':')).flatMap((matcher): [string, string][] => {
    const { name, stringMatch, rangeMatch } = matcher;
    if (draw.chance(0.15)) return [];
    const value = stringMatch !== undefined ? textFor(draw, stringMatch)
      : rangeMatch === undefined ? draw.pick(VALUES)
      : draw.pick([String(rangeMatch.start), String(rangeMatch.end), ' 7', '7.0', '+7', '', '007',
        '99999999999999999999']);
    const written = draw.chance(0.2) ? name.toUpperCase() : name;
    return draw.chance(0.12) ? [[written, value], [name, draw.pick(VALUES)]] : [[written, value]];
  });
}

/** The query, with its question mark, that a match asks for, or one beside it. */
export function queryFor(draw: Draw, matchers: readonly QueryParameterMatcher[]): string {
  const parts = matchers.map(({ name, stringMatch }) => {
    const value = stringMatch === undefined ? draw.pick(VALUES) : textFor(draw, stringMatch);
    const encoded = value.replaceAll(' ', '%20');
    return draw.pick([`${name}=${encoded}`, `${name}=${encoded}`, `${name}=${encoded}`, name, `z${name}=${encoded}`,
      `${name.toUpperCase()}=${encoded}`, `${name}==${encoded}`, `&${name}=${encoded}`,
        `${name}=no&${name}=${encoded}`]);
  });
  if (draw.chance(0.15)) parts.push(draw.pick(['x=/a/b', 'a', '', '?', 'q=%2f', 'a=%zz']));
  return parts.length === 0 ? draw.text([0.05, '?']) : `?${parts.join('&')}`;
}
