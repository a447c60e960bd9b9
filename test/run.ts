// `npm test` after the checks: unit tests, then those that need more than one part; every file in a process of its own.
import { spawnSync } from 'node:child_process';

const GROUPS: readonly (readonly [string, readonly string[]])[] = [
  [
    'unit',
    ['proxy/**/*.test.ts', 'control/**/*.test.ts', 'certs/**/*.test.ts', 'cli/**/*.test.ts', 'examples/**/*.test.ts'],
  ],
  ['integration', ['test/integration/**/*.test.ts']],
];

let failed = false;
for (const [title, globs] of GROUPS) {
  process.stdout.write(`\n== ${title}\n`);
  const flags = ['--test', '--test-reporter=spec', '--test-concurrency=2', '--test-timeout=120000'];
  failed = spawnSync(process.execPath, [...flags, ...globs], { stdio: 'inherit' }).status !== 0 || failed;
}
process.exitCode = failed ? 1 : 0;
