// A session cookie's value: read at every cut and every changed byte, because clients write it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBase64, decodeSession, encodeSession } from './session-cookie.ts';

const NOW = 1_800_000_000;

test('an address, and until when', () => {
  assert.equal(encodeSession('127.0.0.1:80', 0), 'CgwxMjcuMC4wLjE6ODA=');
  for (const expires of [0, NOW, NOW + 1, 2 ** 40]) {
    assert.equal(decodeSession(encodeSession('127.0.0.1:80', expires), NOW), '127.0.0.1:80');
  }
  assert.equal(decodeSession(encodeSession('127.0.0.1:80', NOW - 1), NOW), '');
  assert.equal(decodeSession(encodeSession('/run/a.sock', NOW), NOW), '/run/a.sock');
  assert.equal(decodeSession(Buffer.from('127.0.0.1:80').toString('base64'), NOW), '127.0.0.1:80');
});

test('the last of several fields counts, unknown ones are passed over', () => {
  const message = (...bytes: number[]): string => Buffer.from(bytes).toString('base64');
  assert.equal(decodeSession(message(0x0a, 1, 65, 0x0a, 1, 66), NOW), 'B');
  assert.equal(decodeSession(message(0x1d, 1, 2, 3, 4, 0x0a, 1, 65, 0x19, 1, 2, 3, 4, 5, 6, 7, 8), NOW), 'A');
  assert.equal(decodeSession(message(0x1b, 0x23, 0x08, 1, 0x24, 0x1c, 0x0a, 1, 65), NOW), 'A');
  assert.equal(decodeSession(message(0x22, 2, 1, 2, 0x18, 0xff, 1, 0x0a, 1, 65), NOW), 'A');
});

test('what is not quite a message is taken for an address, which no cluster has', () => {
  const spoilt = [[0x0a, 1, 0xe9], [0x0a, 2, 65], [0x0a, 1, 65, 0x1b], [0x1b, 0x24], [0x0a, 1, 65, 0],
    [0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0], [0x0a, 1, 65, 0x10, ...Array.from({ length: 11 }, () => 0x80)]];
  for (const bytes of spoilt) {
    const text = Buffer.from(bytes);
    assert.equal(decodeSession(text.toString('base64'), NOW), text.toString('latin1'));
  }
});

test('S47 no cut and no changed byte makes it fail', () => {
  const whole = Buffer.from(encodeSession('127.0.0.1:8080', NOW + 100), 'base64');
  for (let cut = 0; cut <= whole.length; cut++) {
    const found = decodeSession(whole.subarray(0, cut).toString('base64'), NOW);
    assert.ok(found.length <= whole.length, found);
  }
  for (let at = 0; at < whole.length; at++) {
    for (const byte of [0, 1, 7, 0x0b, 0x7f, 0x80, 0xff]) {
      const changed = Buffer.from(whole);
      changed[at] = byte;
      assert.ok(decodeSession(changed.toString('base64'), NOW).length <= whole.length);
    }
  }
  assert.equal(decodeSession(Buffer.alloc(12, 0xff).toString('base64'), NOW).length, 12);
});

test('base64 in its one form, and not without end', () => {
  assert.equal(decodeBase64('QQ==')?.toString(), 'A');
  for (const text of ['QQ', 'QR==', 'Q_==', 'QQ==\n', ' QQ=', '*', 'QQ==QQ==', 'A'.repeat(516)]) {
    assert.equal(decodeBase64(text), undefined, text);
  }
});
