// `weft ca` as a user runs it: what it prints, what it leaves on disk, and how it ends.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { requestCertificate } from '../../proxy/supervisor/ca-client.ts';
import { createCsr } from '../../certs/csr.ts';
import { parseSpiffeId } from '../../certs/spiffe.ts';
import { REVIEWS, ecKey } from '../harness/certificates.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { ServerProcess } from '../harness/process.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function weftCa(...args: string[]): Ended {
  const options = { encoding: 'utf8', timeout: 20_000 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'ca', ...args], options);
  return { status, stdout, stderr };
}

async function startCa(...args: string[]): Promise<[ServerProcess, string]> {
  const server = new ServerProcess(process.execPath, [MAIN, 'ca', ...args], { name: 'weft ca' });
  await server.until(() => server.output.includes('listening on '));
  return [server, /listening on (\S+)/.exec(server.output)![1]!];
}

test('it serves until SIGTERM, and a token minted offline gets a certificate before and after a restart', async (t) => {
  const dir = join(temporaryFolder(t), 'ca');
  const tokenFile = join(dir, 'reviews.token');
  const ask = async (address: string): Promise<readonly string[]> => requestCertificate({
    address,
    roots: readFileSync(join(dir, 'root-cert.pem'), 'utf8'),
    token: readFileSync(tokenFile, 'utf8').trim(),
    csr: createCsr(ecKey(), parseSpiffeId(REVIEWS)!),
    signal: new AbortController().signal,
  });
  for (const round of [1, 2]) {
    const [server, address] = await startCa('--dir', dir, '--listen', '127.0.0.1:0');
    await using _ = server;
    if (round === 1) {
      const minted = weftCa('--dir', dir, '--token-for', REVIEWS, '--out', tokenFile);
      assert.deepEqual(minted, { status: 0, stdout: '', stderr: '' });
      assert.equal(statSync(tokenFile).mode & 0o777, 0o600);
    }
    assert.equal((await ask(address)).length, 2);
    await server.until(() => server.output.includes(`issued identity=${REVIEWS} serial=`));
    const inUse = weftCa('--dir', dir, '--listen', address);
    assert.equal(inUse.status, 2);
    assert.equal(inUse.stderr, `weft: ${address}: cannot listen here: another process has this port\n`);
    assert.equal(await server.stop(), 0, server.output);
  }
});

test('a token is not minted where there is no authority', (t) => {
  const dir = join(temporaryFolder(t), 'ca');
  const missing = weftCa('--dir', dir, '--token-for', REVIEWS);
  assert.equal(missing.status, 2);
  assert.equal(missing.stderr, `weft ca: ${dir}: there is no authority here; run: weft ca --dir ${dir}\n`);
});

test('S60 keys that others can read end it in one line', async (t) => {
  const dir = join(temporaryFolder(t), 'ca');
  const [server] = await startCa('--dir', dir, '--listen', '127.0.0.1:0');
  await server.stop();
  assert.match(weftCa('--dir', dir, '--token-for', REVIEWS).stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  chmodSync(join(dir, 'ca-key.pem'), 0o644);
  const { status, stderr } = weftCa('--dir', dir);
  assert.equal(status, 2);
  assert.match(stderr, /^weft: .*ca-key\.pem: .* \(mode 0644\); run: chmod 600 .*ca-key\.pem\n$/);
});

test('mistakes on the command line are usage errors', (t) => {
  const dir = temporaryFolder(t);
  const cases: readonly (readonly [RegExp, string[]])[] = [
    [/--dir DIR is missing/, []],
    [/--listen takes HOST:PORT, not "80"/, ['--dir', dir, '--listen', '80']],
    [/--token-for takes spiffe:.*, not "web"/, ['--dir', dir, '--token-for', 'web']],
    [/--out goes with --token-for/, ['--dir', dir, '--out', 'x']],
    [/Unknown option '--dirr'/, ['--dirr', dir]],
    [/none: cannot be made: its parent folder does not exist/, ['--dir', join(dir, 'no', 'none')]],
  ];
  for (const [expected, args] of cases) {
    const { status, stderr } = weftCa(...args);
    assert.equal(status, 2, stderr);
    assert.match(stderr, expected);
  }
  const help = weftCa('--help');
  assert.deepEqual([help.status, help.stderr], [0, '']);
  assert.match(help.stdout, /^usage: weft ca --dir DIR/);
});
