// Fills the shared compile cache, so that no process and no thread strips types or compiles libraries from scratch.
import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { messageOf } from '../proxy/base/error.ts';

const SOURCES = '{proxy,control,certs,cli,examples}/**/*.ts';
const TESTS = /\.test(-support)?\.ts$/;

/** Imports of packages that are loaded at run time. */
const PACKAGE_IMPORT = /^import (?!type)[^'"`;]*?from '([^.'][^']*)'|\bimport\('([^.'][^']*)'\)/gm;
const PACKAGE_REQUIRE = /\brequire\('([^.'][^']*)'\)/g;

/** What came of it: files that could not be compiled, each with the reason. */
export interface Warmed {
  readonly files: number;
  readonly failed: readonly string[];
}

/** Compiles all that weft may load into `directory`; undefined when it holds the present state of all sources. */
export async function warmCache(root: string, directory: string): Promise<Warmed | undefined> {
  const files = globSync(SOURCES, { cwd: root }).filter((file) => !TESTS.test(file)).toSorted();
  const stampFile = join(directory, 'sources');
  const stamp = stampOf(root, files);
  if (readStamp(stampFile) === stamp) return undefined;
  mkdirSync(directory, { recursive: true });
  nodeModule.enableCompileCache({ directory, portable: true });
  const packages = new Set<string>();
  const required = new Set<string>();
  const failed: string[] = [];
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, fixed, late] of text.matchAll(PACKAGE_IMPORT)) packages.add((fixed ?? late)!);
    for (const [, name] of text.matchAll(PACKAGE_REQUIRE)) required.add(name!);
    const reason = await compile(join(root, file));
    if (reason !== undefined) failed.push(`${file}: ${reason}`);
  }
  // Libraries are run, not only compiled: their CommonJS files are found by running them.
  for (const name of packages) {
    if (nodeModule.isBuiltin(name)) continue;
    await import(name).catch((cause: unknown) => failed.push(`${name}: ${messageOf(cause)}`));
  }
  for (const name of required) nodeModule.createRequire(import.meta.url)(name);
  nodeModule.flushCompileCache();
  if (failed.length === 0) writeFileSync(stampFile, stamp);
  return { files: files.length, failed };
}

const STOP = 'compiled, not run';

/**
 * Compiles a module and all that it imports without running any of them: a module before it in the order of evaluation
 * throws when everything is linked. The reason when it does not compile.
 */
async function compile(path: string): Promise<string | undefined> {
  const stop = dataUrl(`throw ${JSON.stringify(STOP)}`);
  const source = `import ${JSON.stringify(stop)}; import ${JSON.stringify(pathToFileURL(path).href)};`;
  try {
    await import(dataUrl(source));
  } catch (cause) {
    return cause === STOP ? undefined : messageOf(cause).split('\n')[0];
  }
  return undefined;
}

function dataUrl(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

/** Changes when a source or the Node that runs them does. */
function stampOf(root: string, files: readonly string[]): string {
  const hash = createHash('sha256').update(process.version);
  hash.update(readFileSync(join(root, 'package-lock.json')));
  for (const file of files) {
    const { size, mtimeMs } = statSync(join(root, file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

function readStamp(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
