// The house rules that no compiler knows, as data: who may import whom, what is banned and what
// replaces it, how long a line is.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LINE_MAX = 120;
const FILE_LINES_MAX = 400;

/**
 * Folders of proxy/, lowest first: a file imports from its own folder and from lower rows;
 * one row's folders not each other.
 */
const PROXY_LAYERS: readonly (readonly string[])[] = [
  ['base'],
  ['config'],
  ['telemetry'],
  ['tls', 'http'],
  ['route', 'upstream'],
  ['filter'],
  ['network'],
  ['listener'],
];

/**
 * Everything else: folder prefix -> prefixes that it may import beside itself.
 * A file obeys the longest prefix that fits.
 */
const MAY_IMPORT: readonly (readonly [string, readonly string[]])[] = [
  ['proxy/xds', ['proxy/config', 'proxy/base', 'proxy/telemetry']],
  ['proxy/admin', ['proxy/config', 'proxy/base', 'proxy/telemetry']],
  ['proxy/dns', ['proxy/config', 'proxy/base', 'proxy/telemetry']],
  ['proxy/supervisor', ['proxy/config', 'proxy/base', 'proxy/telemetry', 'proxy/tls', 'proxy/xds', 'proxy/admin',
    'proxy/dns', 'certs/csr.ts', 'certs/spiffe.ts', 'certs/x509.ts', 'certs/chain.ts', 'certs/istio-ca-service.ts',
    'certs/sds-service.ts', 'certs/sds-server.ts']],
  ['proxy/tls', ['certs/chain.ts', 'certs/csr.ts', 'certs/path-constraint.ts', 'certs/spiffe.ts', 'certs/x509.ts',
    'certs/der.ts']],
  ['certs', ['proxy/base']],
  ['control', ['proxy/config', 'proxy/base', 'certs']],
  ['proxy/proxy.ts', ['proxy']],
  ['proxy/worker-main.ts', ['proxy']],
  ['proxy/worker-config.ts', ['proxy']],
  ['proxy/decoder-main.ts', ['proxy']],
  ['proxy/main.ts', ['proxy']],
  ['cli', ['']],
  ['test', ['']],
  ['bench', ['']],
  ['examples', ['']],
];

/** Started by path and so imported by nobody. */
const ENTRY_POINTS = [/^cli\//, /\.test\.ts$/, /^test\/(interop\/)?run\.ts$/, /^bench\//, /^examples\//,
  /^proxy\/(worker|decoder)-main\.ts$/, /^test\/harness\//, /^test\/interop\//];

/** [where, what, why and what to use instead]. Tests are free of these. */
const BANNED: readonly (readonly [RegExp, RegExp, string])[] = [
  [/^proxy\/(http|route|upstream|filter|network|listener|tls)\//, /\bset(Timeout|Interval)\(/,
    'use a Timer of base/timers.ts: no closure or native timer per request'],
  [/^proxy\/(?!base\/clock)/, /\bDate\.now\(|\bperformance\.now\(/, 'use the injected Clock (base/clock.ts)'],
  [/^(proxy|control|certs)\/(?!base\/random)/, /\bMath\.random\(/, 'use the injected Random (base/random.ts)'],
  [/^proxy\/(http|route|upstream|filter|network|listener)\//, /\bnew URL\(/,
    'the request-target is parsed once, by the codec'],
  [/^(proxy|control|certs)\/(?!main\.ts)/, /\bconsole\./, 'use the logger (telemetry/log.ts) or return a value'],
  [/^(proxy|control|certs)\/(?!main\.ts)/, /\bprocess\.exit\(/,
    'return an exit status: only entry points end the process'],
  // The two that turn configuration into filters load modules as chains ask for them; no request passes there.
  [/^proxy\/(http|network|filter)\/(?!network-filters\.ts|registry\.ts)/, /\basync\b|\bawait\b|\bPromise</,
    'push callbacks on the data plane (design.md section 6)'],
  [/^(proxy|control)\//, /^import (?!type)[^;']*'node:https?'/m,
    'use process.getBuiltinModule: an import reads every export, and so loads the runtime\'s fetch, 12 MB of it'],
  [/./, /\bFIXME\b|\bTODO\b|\bXXX\b/, 'finish it or file an issue'],
  [/./, /^export default/m, 'named exports only'],
  [/^(?!proxy\/base\/regex)/, /from 're2js'/,
    'regular expressions from configuration or traffic go through base/regex.ts'],
];

/** What a thread loads before configuration asks for more: never these. Schemas are the decoder's. */
const HEAVY =
  /^(typebox|@grpc\/|@opentelemetry\/|undici|yaml|protobufjs|prom-client|jose|@sinclair\/|proxy\/config\/schema\.ts)/;
/** Beside those, what the main thread has no use for until it is asked. */
const SUPERVISOR_FORBIDDEN = new RegExp(`${HEAVY.source}|^node:(http|https|http2|tls)$|^re2js$`);

interface Import {
  readonly target: string;
  /** Of types, or dynamic: it does not count for what is loaded at start. */
  readonly typeOnly: boolean;
  readonly dynamic: boolean;
}

const files = globSync('{proxy,control,certs,cli,examples,bench,test}/**/*.ts', { cwd: ROOT }).map(
  (f) => f.replaceAll('\\', '/'),
);
const sources = new Map(files.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]));
const imports = new Map([...sources].map(([file, text]) => [file, importsOf(file, text)]));

/** Static and dynamic imports; relative ones as paths from the root, packages as they are. */
function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  const statement =
    /^(?:import|export)\s+(type\s)?[^'"`;]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\(\s*'([^']+)'/gm;
  for (const match of text.matchAll(statement)) {
    const specifier = (match[2] ?? match[3] ?? match[4])!;
    const target = specifier.startsWith('.')
      ? normalize(join(dirname(file), specifier)).replaceAll('\\', '/')
      : specifier;
    const dynamic = match[4] !== undefined;
    found.push({ target, typeOnly: dynamic || match[1] !== undefined, dynamic });
  }
  return found;
}

function within(file: string, prefix: string): boolean {
  return prefix === '' || file === prefix || file.startsWith(`${prefix}/`);
}

function layerOf(file: string): number {
  const folder = /^proxy\/([^/]+)\//.exec(file)?.[1];
  return folder === undefined ? -1 : PROXY_LAYERS.findIndex((row) => row.includes(folder));
}

function mayImport(file: string, target: string): boolean {
  const rule = MAY_IMPORT.filter(([prefix]) => within(file, prefix)).toSorted((a, b) => b[0].length - a[0].length)[0];
  if (rule !== undefined && (within(target, rule[0]) || rule[1].some((prefix) => within(target, prefix)))) return true;
  const [from, to] = [layerOf(file), layerOf(target)];
  if (from === -1 || to === -1) return false;
  return to < from || dirname(file).split('/')[1] === dirname(target).split('/')[1];
}

function report(problems: string[]): void {
  assert.equal(problems.length, 0, `\n${problems.join('\n')}`);
}

test('layers import downward only', () => {
  const problems: string[] = [];
  for (const [file, list] of imports) {
    if (file.endsWith('.test.ts')) continue;
    for (const { target } of list) {
      if (sources.has(target) && !mayImport(file, target)) {
        problems.push(`${file} imports ${target}: not allowed by design.md section 4`);
      }
    }
  }
  report(problems);
});

test('no import cycle', () => {
  const problems: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) {
      problems.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      return;
    }
    if (done.has(file)) return;
    for (const { target } of imports.get(file) ?? []) if (sources.has(target)) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  report(problems);
});

test('every import exists and every file is imported', () => {
  const problems: string[] = [];
  const used = new Set(
    [...imports].flatMap(([file, list]) => (file.endsWith('.test.ts') ? [] : list.map(({ target }) => target))),
  );
  for (const [file, list] of imports) {
    for (const { target } of list) {
      if (/\.ts$/.test(target) && !sources.has(target)) problems.push(`${file}: ${target} does not exist`);
    }
    if (!used.has(file) && !ENTRY_POINTS.some((pattern) => pattern.test(file))) {
      problems.push(`${file}: nobody imports it`);
    }
  }
  report(problems);
});

test('lines, files and their first sentence', () => {
  const problems: string[] = [];
  for (const [file, text] of sources) {
    const lines = text.split('\n');
    if (lines.length - 1 > FILE_LINES_MAX) {
      problems.push(`${file}: ${lines.length - 1} lines, ${FILE_LINES_MAX} is the ceiling: split it by subject`);
    }
    lines.forEach((line, i) => {
      if (line.length > LINE_MAX) problems.push(`${file}:${i + 1}: ${line.length} columns, ${LINE_MAX} is the ceiling`);
    });
    if (!/^(#!.*\n)?(\/\/|\/\*\*)/.test(text)) problems.push(`${file}: does not open with a sentence saying its place`);
  }
  report(problems);
});

test('banned words and calls', () => {
  const problems: string[] = [];
  for (const [file, text] of sources) {
    if (file === 'test/tidy.test.ts') continue;
    const code = text.replaceAll(/^\s*(\/\/|\*|\/\*\*).*$/gm, '');
    for (const [where, what, why] of BANNED) {
      if (file.endsWith('.test.ts') && !/FIXME|default/.test(what.source)) continue;
      if (where.test(file) && what.test(code)) problems.push(`${file}: ${what.source}: ${why}`);
    }
  }
  report(problems);
});

/** What a file loads at start, each with the way to it. */
function closureOf(start: string): Map<string, readonly string[]> {
  const ways = new Map<string, readonly string[]>();
  const visit = (target: string, path: readonly string[]): void => {
    if (ways.has(target)) return;
    const way = [...path, target];
    ways.set(target, way);
    for (const next of imports.get(target) ?? []) if (!next.typeOnly) visit(next.target, way);
  };
  visit(start, []);
  return ways;
}

/** The ways from a file to what it must not load at start. */
function loadedAtStart(start: string, forbidden: RegExp): string[] {
  return [...closureOf(start)].filter(([target]) => forbidden.test(target)).map(([, way]) => way.join(' -> '));
}

test('a worker loads no heavy library at start', () => report(loadedAtStart('proxy/worker-main.ts', HEAVY)));

test('nor does the supervisor, nor what it needs for TLS, HTTP and regular expressions', () => {
  const starts = ['cli/proxy.ts', 'proxy/supervisor/running-proxy.ts'];
  report(starts.flatMap((start) => loadedAtStart(start, SUPERVISOR_FORBIDDEN)));
});

/** Of source: some 6 KB of memory each. What only some configurations need is loaded when they ask for it. */
const WORKER_START_KB_MAX = 1440;
/** Folders of which a worker loads parts on demand. */
const ON_DEMAND = /^proxy\/(filter|network|upstream|listener|tls|route)\//;

test('a worker loads at start neither what is loaded on demand elsewhere, nor more than it may', () => {
  const ways = closureOf('proxy/worker-main.ts');
  const lazy = [...imports].flatMap(([file, list]) => (
    ON_DEMAND.test(file) && !file.endsWith('.test.ts') ? list.filter(({ dynamic }) => dynamic) : []
  ));
  assert.notEqual(lazy.length, 0);
  const eager = lazy.flatMap(({ target }) => (ways.has(target) ? [`${ways.get(target)!.join(' -> ')}: at start`] : []));
  const kb = [...ways.keys()].reduce((sum, file) => sum + (sources.get(file)?.length ?? 0), 0) / 1024;
  const size = kb > WORKER_START_KB_MAX ? [`${kb.toFixed(0)} KB are loaded, ${WORKER_START_KB_MAX} may be`] : [];
  report([...eager, ...size]);
});
