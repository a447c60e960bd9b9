// `weft ca` as a user runs it: what it prints, what it leaves on disk, and how it ends.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
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
    const inUse = weftCa('--dir', dir, '--listen', address, '--audit-dir', join(dir, 'other'));
    assert.equal(inUse.status, 2);
    assert.equal(inUse.stderr, `weft: ${address}: cannot listen here: another process has this port\n`);
    assert.equal(await server.stop(), 0, server.output);
  }
});

test('a token is not minted where there is no authority', (t) => {
  const dir = join(temporaryFolder(t), 'ca');
  assert.match(weftCa('root', 'list', '--dir', dir).stderr, /there is no authority here; run: weft ca --dir/);
  assert.equal(existsSync(dir), false);
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

test('F05 the root is changed step by step while it runs, and S60 a passphrase is asked for', async (t) => {
  const folder = temporaryFolder(t);
  const [dir, passphrase] = [join(folder, 'ca'), join(folder, 'passphrase')];
  writeFileSync(passphrase, 'correct horse\n', { mode: 0o600 });
  const [server] = await startCa('--dir', dir, '--listen', '127.0.0.1:0', '--passphrase-file', passphrase);
  await using _ = server;
  const step = (...args: string[]): Ended => weftCa('root', ...args, '--dir', dir, '--passphrase-file', passphrase);
  const before = (JSON.parse(step('list', '--json').stdout) as { roots: { id: string }[] }).roots[0]!.id;
  const steps = [['add', /added root/, 2], ['switch', /signs/, 2], ['remove', /removed/, 1]] as const;
  for (const [name, expected, roots] of steps) {
    const { status, stdout, stderr } = step(name);
    assert.equal(status, 0, stderr);
    assert.match(stdout, expected);
    assert.match(stdout, /every sidecar should have agent\.bundle \d+\n$/);
    await server.until(() => server.output.includes(`${roots} roots are trusted`));
  }
  const list = step('list').stdout;
  assert.match(list, /^bundle \d+\n[0-9a-f]{16}  signs    until \d{4}-.*weft root CA/);
  assert.ok(!list.includes(before));
  assert.match(weftCa('root', 'list', '--dir', dir).stderr, /ca-key\.pem: is encrypted: give its passphrase/);
  assert.match(step('turn').stderr, /"root turn" is no step: list, add, switch or remove/);
  assert.equal(step('remove').status, 2);
});

test('S60 an intermediate is made beside a root that then goes away', async (t) => {
  const folder = temporaryFolder(t);
  const [root, dir] = [join(folder, 'root'), join(folder, 'ca')];
  assert.match(weftCa('intermediate', '--root', root, '--dir', dir).stdout, /root can be taken offline/);
  rmSync(root, { recursive: true });
  const [server] = await startCa('--dir', dir, '--listen', '127.0.0.1:0');
  assert.equal(await server.stop(), 0, server.output);
});

test('mistakes on the command line are usage errors', (t) => {
  const dir = temporaryFolder(t);
  const cases: readonly (readonly [RegExp, string[]])[] = [
    [/--dir DIR is missing/, []],
    [/--listen takes HOST:PORT, not "80"/, ['--dir', dir, '--listen', '80']],
    [/--token-for takes spiffe:.*, not "web"/, ['--dir', dir, '--token-for', 'web']],
    [/--out goes with --token-for/, ['--dir', dir, '--out', 'x']],
    [/--token-review takes https:/, ['--dir', dir, '--token-review', 'http://127.0.0.1:1']],
    [/--jwt-issuer goes with --jwt-keys/, ['--dir', dir, '--jwt-issuer', 'https://issuer']],
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
