#!/usr/bin/env node
// The package's bin: plain JavaScript for any Node >= 18 that finds the pinned Node 26 and starts cli/main.ts on it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as module from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = `${root}node_modules/.cache/weft/compile`;

/**
 * glibc reads these at a program's start and at no other time. By default it has an arena for each compiling thread and
 * gives back little of what they free: 30 MB of a proxy under load. Blocks of the compiler are 32 KB, TLS records 17.
 */
const MALLOC = { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '24576' };

if (Number(process.versions.node.split('.')[0]) >= 26) {
  if (process.argv[2] === 'proxy') startTuned();
  module.enableCompileCache({ directory: cache, portable: true });
  await import('./main.ts');
} else {
  startPinned(`${root}node_modules/.bin/node`);
}

/** Starts this program anew in the same process; returns where that is not possible, or done already, or not wanted. */
function startTuned() {
  const { argv0, channel, env, execArgv, platform } = process;
  const chosen = Object.keys(MALLOC).some((name) => env[name] !== undefined);
  if (platform !== 'linux' || chosen || channel !== undefined || typeof process.execve !== 'function') return;
  const args = [argv0, ...execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  try {
    process.execve(process.execPath, args, { ...env, ...MALLOC });
  } catch {
    // It serves as well with another allocator's settings.
  }
}

function startPinned(node) {
  if (!existsSync(node)) {
    const here = `${process.platform}-${process.arch}`;
    console.error(`weft: Node 26 is missing for ${here} (this is Node ${process.versions.node}). Run "npm ci" in ${root}; ` +
      'it brings Node 26 for linux-x64, linux-arm64 (glibc), darwin-arm64 and darwin-x64. Elsewhere install Node >= 26 yourself.');
    process.exit(2);
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  // The terminal sends Ctrl-C to both; SIGTERM reaches only this process and is passed on.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
}
