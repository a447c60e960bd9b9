// OpenSSL's command line as an independent peer of certs/; tests that need it say so where it is missing.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** What openssl prints on both streams; a failure begins with `failed:`. */
export function openssl(...args: string[]): string {
  try {
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (cause) {
    const { stdout, stderr } = cause as { stdout?: string; stderr?: string };
    return `failed: ${stdout}${stderr}`;
  }
}

/** For a test's `skip`: the reason where OpenSSL 3 is not installed (LibreSSL prints and accepts other things). */
export const withoutOpenssl: string | false = /^OpenSSL [3-9]/.test(openssl('version')) ? false : 'needs OpenSSL 3';

/** A folder of this test's own, gone after it. */
export function temporaryFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'weft-test-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
