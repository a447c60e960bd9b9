// What a real Envoy says of a bootstrap file that it does not run.
import { execFile } from 'node:child_process';
import { findEnvoy } from '../harness/peers.ts';

/** Its reason for refusing the file; undefined where it accepts it. */
export function envoyRefusal(file: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(findEnvoy(false), ['--mode', 'validate', '-l', 'error', '-c', file], (error, stdout, stderr) => {
      resolve(error === null ? undefined : `${stdout}${stderr}`.trim().split('\n').at(-1));
    });
  });
}
