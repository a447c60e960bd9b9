// Who may read what the control plane shows; test/interop/http-readers.test.ts asks from another machine.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../test/harness/openssl.ts';
import { HttpReaders } from './http-readers.ts';

const LOCAL = '10.1.0.1';

async function statusFor(readers: HttpReaders, remoteAddress: string, authorization?: string): Promise<number> {
  const request = { socket: { remoteAddress, localAddress: LOCAL }, headers: { authorization } };
  return (await readers.refusal(request as unknown as IncomingMessage))?.status ?? 200;
}

test('S100 without more, callers on this machine read, and no others', async () => {
  const readers = new HttpReaders();
  for (const own of ['127.0.0.1', '::1', '::ffff:127.0.0.1', LOCAL]) assert.equal(await statusFor(readers, own), 200);
  for (const other of ['10.1.0.2', 'fd00::1', '::ffff:10.1.0.2', '']) {
    assert.equal(await statusFor(readers, other, 'Bearer 0123456789abcdef'), 403);
  }
});

test('S100 networks that are named read, mapped addresses too', async () => {
  const readers = new HttpReaders({ networks: ['10.1.0.0/30', 'fd00::/64'] });
  for (const named of ['10.1.0.2', '::ffff:10.1.0.2', 'fd00::5']) assert.equal(await statusFor(readers, named), 200);
  assert.equal(await statusFor(readers, '10.1.0.4'), 403);
  assert.throws(() => new HttpReaders({ networks: ['10.1'] }), /--http-network/);
});

test('S100 who shows the token reads, as the file is now; a file of no use lets nobody in', async (t) => {
  const tokenFile = join(temporaryFolder(t), 'token');
  const warnings: string[] = [];
  const readers = new HttpReaders({ tokenFile, warn: (line) => warnings.push(line) });
  const token = '0123456789abcdef';
  assert.equal(await statusFor(readers, '10.1.0.2', `Bearer ${token}`), 401);
  assert.match(warnings.join(), /--http-token-file: .*cannot be read/);
  assert.doesNotMatch(warnings.join(), new RegExp(token));
  writeFileSync(tokenFile, `${token}\n`);
  assert.equal(await statusFor(readers, '10.1.0.2', `Bearer ${token}`), 200);
  assert.equal(await statusFor(readers, '10.1.0.2', `Basic ${btoa(`me:${token}`)}`), 200);
  assert.equal(await statusFor(readers, '10.1.0.2', `Bearer ${token}0`), 401);
  assert.equal(await statusFor(readers, '10.1.0.2'), 401);
});
