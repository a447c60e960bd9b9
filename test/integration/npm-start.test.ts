// The README's first command: npm links no package's own programs into its scripts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('npm start finds the demo', async () => {
  const { stdout } = await promisify(execFile)('npm', ['start', '--', '--help'], { cwd: root });
  assert.match(stdout, /usage: weft demo/);
});
