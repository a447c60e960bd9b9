#!/usr/bin/env node
// The package's bin: plain JavaScript for any Node >= 18 that finds the pinned Node 26 and starts cli/main.ts on it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as module from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = `${root}node_modules/.cache/weft/compile`;

if (Number(process.versions.node.split('.')[0]) >= 26) {
  module.enableCompileCache({ directory: cache, portable: true });
  await import('./main.ts');
} else {
  startPinned(`${root}node_modules/.bin/node`);
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
