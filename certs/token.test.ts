// Workload tokens: who mints one is believed, and nobody else.
import assert from 'node:assert/strict';
import { createHmac, createPublicKey } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SignJWT, decodeJwt, jwtVerify } from 'jose';
import type { JWTPayload } from 'jose';
import { ManualClock } from '../proxy/base/clock.ts';
import { REVIEWS, ecKey } from '../test/harness/certificates.ts';
import { temporaryFolder } from '../test/harness/openssl.ts';
import { formatSpiffeId, parseSpiffeId } from './spiffe.ts';
import { TokenAuthority, writeTokenFile } from './token.ts';

const key = ecKey();
const identity = parseSpiffeId(REVIEWS)!;

function authority(clock = new ManualClock(), over: { key?: typeof key; audience?: string } = {}): TokenAuthority {
  return new TokenAuthority({ key, trustDomain: 'cluster.local', clock, ...over });
}

async function fault(token: string, clock = new ManualClock()): Promise<string> {
  const result = await authority(clock).authenticate(token);
  return 'fault' in result ? result.fault : `accepted ${formatSpiffeId(result.identity)}`;
}

/** A token with claims of our choice, signed with the right key. */
async function forged(claims: { [K in keyof JWTPayload]: JWTPayload[K] | undefined }): Promise<string> {
  const now = new ManualClock().wallMs() / 1000;
  const good = { iss: 'spiffe://cluster.local', sub: REVIEWS, aud: 'weft-ca', iat: now, exp: now + 60 };
  return new SignJWT({ ...good, ...claims } as JWTPayload).setProtectedHeader({ alg: 'ES256' }).sign(key);
}

test('a token is what jose calls a good ES256 JWT, and lives an hour at most', async () => {
  const clock = new ManualClock();
  const token = await authority(clock).mint(identity, 86_400_000);
  const currentDate = new Date(clock.wallMs());
  const { payload, protectedHeader } = await jwtVerify(token, createPublicKey(key), { currentDate });
  assert.equal(protectedHeader.alg, 'ES256');
  assert.equal(payload.sub, REVIEWS);
  assert.equal(payload.aud, 'weft-ca');
  assert.equal(payload.exp! - payload.iat!, 3600);
  assert.equal(decodeJwt(await authority(clock).mint(identity, 60_000)).exp! - payload.iat!, 60);
  assert.equal(await fault(token, clock), `accepted ${REVIEWS}`);
});

test('S59 expired, other-audience, other-key and not-yet-issued tokens are refused in words', async () => {
  const clock = new ManualClock();
  const token = await authority(clock).mint(identity);
  assert.match(await fault(await authority(clock, { audience: 'istio-ca' }).mint(identity)), /another audience/);
  assert.match(await fault(await authority(clock, { key: ecKey() }).mint(identity)), /not signed by a key/);
  assert.match(await fault(token, new ManualClock(clock.wallMs() - 60_000)), /"iat" .* wrong/);
  clock.advance(3_606_000);
  assert.match(await fault(token, clock), /has expired/);
});

test('S59 claims that are missing, too long or of another trust domain are refused', async () => {
  const now = new ManualClock().wallMs() / 1000;
  assert.equal(await fault(await forged({})), `accepted ${REVIEWS}`);
  assert.match(await fault(await forged({ exp: undefined })), /"exp" of the token is missing/);
  assert.match(await fault(await forged({ iat: undefined })), /"iat" of the token is missing/);
  assert.match(await fault(await forged({ sub: undefined })), /"sub" of the token is missing/);
  assert.match(await fault(await forged({ iss: 'spiffe://other' })), /"iss" of the token/);
  assert.match(await fault(await forged({ sub: 'spiffe://cluster.local' })), /not the SPIFFE id of a workload/);
  assert.match(await fault(await forged({ sub: 'spiffe://other/ns/a/sa/b' })), /another trust domain/);
  // A life of a day is cut to an hour after issue, whoever signed it.
  assert.match(await fault(await forged({ iat: now - 7200, exp: now + 80_000 })), /has expired/);
});

test('S59 the token does not choose its algorithm', async () => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = part(decodeJwt(await forged({})));
  assert.match(await fault(`${part({ alg: 'none' })}.${claims}.`), /not signed with an accepted|not a JWT/);
  const body = `${part({ alg: 'HS256' })}.${claims}`;
  const secret = createPublicKey(key).export({ type: 'spki', format: 'pem' });
  const signature = createHmac('sha256', secret).update(body).digest('base64url');
  assert.match(await fault(`${body}.${signature}`), /not signed with an accepted/);
});

test('text that is no token is refused without quoting it', async () => {
  for (const text of ['', 'a', 'a.b.c', '..', 'secret-secret', `${'a'.repeat(20_000)}`]) {
    const reason = await fault(text);
    assert.match(reason, /not a JWT|longer than 16384/);
    assert.ok(text.length < 3 || !reason.includes(text));
  }
});

test('no token is minted for another trust domain', async () => {
  await assert.rejects(authority().mint(parseSpiffeId('spiffe://other/a')!), /not of trust domain cluster\.local/);
});

test('S60 a token file is for this user alone', (t) => {
  const path = join(temporaryFolder(t), 'token');
  writeTokenFile(path, 'a.b.c');
  writeTokenFile(path, 'd.e.f');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(readFileSync(path, 'utf8'), 'd.e.f\n');
});
