// Tokens that nobody may accept, generated for a key that is trusted: each is one way in which verifiers were deceived.
import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { ISSUER, base64url, claimsOf, makeKey, nowSeconds, signature, signed, tokenOf } from './token-keys.ts';
import type { TokenKey } from './token-keys.ts';

export interface HostileToken {
  readonly name: string;
  readonly token: string;
}

type Named = readonly (readonly [name: string, token: string])[];

/** Everything that is tried against a provider that trusts `key` alone. */
export function hostileTokens(key: TokenKey): HostileToken[] {
  const all = [...algorithms(key), ...confusion(key), ...foreignKeys(key), ...critical(key), ...keyIds(key),
    ...duplicates(key), ...encodings(key), ...structures(key), ...documents(key), ...times(key), ...issuers(key),
    ...signatures(key), ...sizes(key)];
  return all.map(([name, token]) => ({ name, token }));
}

const header = (key: TokenKey, more: Record<string, unknown> = {}): Record<string, unknown> =>
  ({ alg: key.algorithm, typ: 'JWT', kid: key.id, ...more });

/** Header and claims as texts, signed as they are. */
const raw = (key: TokenKey, head: string, claims: string): string => signed(key, head, claims);

function algorithms(key: TokenKey): Named {
  const unsigned = (alg: unknown): string => `${base64url(header(key, { alg }))}.${base64url(claimsOf())}.`;
  const names = ['none', 'None', 'NONE', 'nOnE', '', ' none', 'none\0', key.algorithm.toLowerCase(),
    `${key.algorithm}\0`, ` ${key.algorithm}`, 'HS1', 'RS1', 'ES256K', 'dir', 'RSA1_5', 'ECDH-ES'];
  return [
    ...names.flatMap((alg): Named => [
      [`alg ${JSON.stringify(alg)} unsigned`, unsigned(alg)],
      [`alg ${JSON.stringify(alg)} signed`, signed(key, header(key, { alg }), claimsOf())],
    ]),
    ...[undefined, null, 7, [key.algorithm], { name: key.algorithm }, true].map((alg): [string, string] =>
      [`alg ${JSON.stringify(alg)}`, signed(key, header(key, { alg }), claimsOf())]),
  ];
}

/** The public key as a secret, and other algorithms of the key's own and other families. */
function confusion(key: TokenKey): Named {
  const secrets = secretsOf(key);
  const hmacs = ['HS256', 'HS384', 'HS512'].flatMap((alg) => secrets.map(([name, secret]): [string, string] => {
    const data = `${base64url(header(key, { alg }))}.${base64url(claimsOf())}`;
    const mac = createHmac(`sha${alg.slice(2)}`, secret).update(data).digest('base64url');
    return [`${alg} with ${name} as secret`, `${data}.${mac}`];
  }));
  const others = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'HS256',
    'HS384', 'HS512'].filter((alg) => alg !== key.algorithm);
  return [...hmacs, ...others.map((alg): [string, string] =>
    [`${alg} in the header of a signature by ${key.algorithm}`, signed(key, header(key, { alg }), claimsOf())])];
}

function secretsOf({ jwk, algorithm }: TokenKey): [string, Buffer | string][] {
  const common: [string, Buffer | string][] = [['nothing', ''], ['the key set', JSON.stringify({ keys: [jwk] })],
    ['the JWK', JSON.stringify(jwk)], ['the key id', String(jwk['kid'])]];
  if (algorithm.startsWith('HS')) return [...common, ['the secret in base64url', String(jwk['k'])]];
  const { kid: _kid, alg: _alg, ...plain } = jwk;
  const publicKey = createPublicKey({ key: plain as never, format: 'jwk' });
  return [
    ...common, ['the PEM', publicKey.export({ type: 'spki', format: 'pem' })],
    ['the PEM without its last line break', String(publicKey.export({ type: 'spki', format: 'pem' })).trimEnd()],
    ['the DER', publicKey.export({ type: 'spki', format: 'der' })],
    ['its first number', Buffer.from(String(jwk['n'] ?? jwk['x']), 'base64url')],
  ];
}

/** The token brings its own key. */
function foreignKeys(key: TokenKey): Named {
  const mine = makeKey(key.algorithm, key.id);
  const { kid: _kid, ...jwk } = mine.jwk;
  const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' });
  const fields: Record<string, unknown>[] = [{}, { jwk }, { jwk: mine.jwk }, { jku: 'https://evil.test/keys' },
    { jku: `${ISSUER}/../evil` }, { x5u: 'https://evil.test/cert' }, { x5c: [String(pem)] }, { x5t: 'AAAA' },
    { 'x5t#S256': 'AAAA' }, { jwk, kid: undefined }, { jwks: { keys: [mine.jwk] } }, { kid: undefined }];
  return fields.map((more) => [`another key with ${JSON.stringify(Object.keys(more))}`,
    signed(mine, header(mine, more), claimsOf())]);
}

function critical(key: TokenKey): Named {
  const fields: Record<string, unknown>[] = [{ crit: ['exp'], exp: 1 }, { crit: ['b64'], b64: false },
    { crit: ['b64'], b64: true }, { b64: false }, { crit: [] }, { crit: ['unknown'], unknown: 1 }, { crit: 'exp' },
    { crit: null }, { crit: ['http://evil.test/x'], 'http://evil.test/x': true }];
  const unencoded = `${base64url(header(key, { crit: ['b64'], b64: false }))}.${JSON.stringify(claimsOf())}`;
  return [
    ...fields.map((more): [string, string] => [`header ${JSON.stringify(more)}`,
      signed(key, header(key, more), claimsOf())]),
    ['a payload that is not encoded', `${unencoded}.${signature(key, unencoded).toString('base64url')}`],
  ];
}

function keyIds(key: TokenKey): Named {
  const ids: unknown[] = ['../../../dev/null', '/dev/null', 'x; cat /etc/passwd', "x' UNION SELECT 'secret", 7, null,
    [],
    [key.id], { id: key.id }, true, '__proto__', 'constructor', `${key.id}\0`, key.id.toLowerCase(), ` ${key.id}`];
  const empty = (kid: unknown): string => {
    const data = `${base64url(header(key, { alg: 'HS256', kid }))}.${base64url(claimsOf())}`;
    return `${data}.${createHmac('sha256', '').update(data).digest('base64url')}`;
  };
  return ids.flatMap((kid): Named => [
    [`kid ${JSON.stringify(kid)}`, signed(key, header(key, { kid }), claimsOf())],
    [`kid ${JSON.stringify(kid)} and an empty secret`, empty(kid)],
  ]);
}

function duplicates(key: TokenKey): Named {
  const claims = JSON.stringify(claimsOf());
  const head = JSON.stringify(header(key));
  const before = (text: string, more: string): string => `{${more},${text.slice(1)}`;
  const after = (text: string, more: string): string => `${text.slice(0, -1)},${more}}`;
  const claimed = ['"sub":"admin"', '"iss":"https://evil.test"', `"iss":"${ISSUER}"`, '"exp":9999999999',
    '"aud":"x","aud":"y"',
    '"s\\u0075b":"admin"', '"in":{"a":1,"a":2}', '"in":[{"a":1,"\\u0061":2}]'];
  const heads = ['"alg":"none"', '"alg":"HS256"', `"alg":"${key.algorithm}"`, '"kid":"x"', '"\\u0061lg":"none"'];
  return [
    ...claimed.flatMap((more): Named => [
      [`claims that begin with ${more}`, raw(key, head, before(claims, more))],
      [`claims that end with ${more}`, raw(key, head, after(claims, more))],
    ]),
    ...heads.flatMap((more): Named => [
      [`a header that begins with ${more}`, raw(key, before(head, more), claims)],
      [`a header that ends with ${more}`, raw(key, after(head, more), claims)],
    ]),
  ];
}

/** Good tokens, spelled otherwise. */
function encodings(key: TokenKey): Named {
  // One byte more, so that each section has a rest.
  const good = signed(key, header(key, { pad: 'x' }), claimsOf({ pad: '\u00ff\u00fe?>~~' }));
  const parts = good.split('.');
  const each = (name: string, change: (part: string) => string): Named => parts.map((_, at): [string, string] =>
    [`${name} in section ${at}`, parts.map((part, i) => (i === at ? change(part) : part)).join('.')])
    .filter(([, token]) => token !== good);
  return [
    ...each('padding', (part) => `${part}=`), ...each('more padding', (part) => `${part}==`),
    ...each('a space', (part) => `${part.slice(0, 4)} ${part.slice(4)}`),
    ...each('a tab', (part) => `${part.slice(0, 4)}\t${part.slice(4)}`),
    ...each('an escaped padding', (part) => `${part}%3D`), ...each('a stray character', (part) =>
      `${part.slice(0, 4)}!${part.slice(4)}`),
    ...each('a character more', (part) => `${part}A`), ...each('bits to spare', spareBits),
    ...each('the other alphabet', (part) => part.replaceAll('-', '+').replaceAll('_', '/')),
  ];
}

/** The last character with its unused bits set. */
function spareBits(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const unused = part.length % 4 === 2 ? 15 : part.length % 4 === 3 ? 3 : 0;
  return part.slice(0, -1) + alphabet[alphabet.indexOf(part.at(-1)!) | unused]!;
}

function structures(key: TokenKey): Named {
  const good = tokenOf(key);
  const [head = '', payload = '', mac = ''] = good.split('.');
  return [
    ['two sections', `${head}.${payload}`], ['one section', head], ['a section more', `${good}.${mac}`],
    ['five sections', `${head}..${payload}.${mac}.x`], ['a dot before', `.${good}`], ['a dot behind', `${good}.`],
    ['two dots', `${head}..${payload}.${mac}`], ['no signature', `${head}.${payload}.`],
    ['no payload', `${head}..${mac}`], ['no header', `.${payload}.${mac}`], ['dots alone', '..'], ['nothing', ''],
    ['flattened JSON', JSON.stringify({ protected: head, payload, signature: mac })],
    ['general JSON', JSON.stringify({ payload, signatures: [{ protected: head, signature: mac }] })],
    ['a list', `${good},${good}`], ['quotes', `"${good}"`], ['sections the other way round',
      `${payload}.${head}.${mac}`],
    ['a token in a token', signed(key, header(key, { cty: 'JWT' }), good)],
    ['a token in a token, as JSON', signed(key, header(key, { cty: 'JWT' }), JSON.stringify(good))],
  ];
}

function documents(key: TokenKey): Named {
  const claims = JSON.stringify(claimsOf());
  const head = JSON.stringify(header(key));
  const texts: [string, string][] = [['something behind', `${claims}x`], ['two documents', claims + claims],
    ['a mark of byte order', `\ufeff${claims}`], ['a comment', `/**/${claims}`], ['a comma too many',
      claims.replace('}', ',}')],
    ['single quotes', claims.replaceAll('"', "'")], ['no number', claims.replace('{', '{"n":NaN,')],
    ['infinity', claims.replace('{', '{"n":1e400,')], ['a leading zero', claims.replace('{', '{"n":01,')],
    ['a control character', claims.replace('{', '{"n":"\u0001",')], ['nothing', ''], ['null', 'null'], ['a list',
      `[${claims}]`],
    ['a text', JSON.stringify(claims)], ['a number', '7'], ['true', 'true'],
    ['great depth', claims.replace('{', `{"n":${'['.repeat(200)}${']'.repeat(200)},`)]];
  const bytes = (prefix: number[]): string => {
    const data = `${base64url(head)}.${Buffer.concat([Buffer.from('{"x":"'), Buffer.from(prefix),
      Buffer.from(`",${claims.slice(1)}`)]).toString('base64url')}`;
    return `${data}.${signature(key, data).toString('base64url')}`;
  };
  const wide = `${base64url(head)}.${Buffer.from(claims, 'utf16le').toString('base64url')}`;
  return [
    ...texts.flatMap(([name, text]): Named => [
      [`claims with ${name}`, raw(key, head, text)],
      [`a header with ${name}`, raw(key, text.replaceAll(claims, head), claims)],
    ]).filter(([name]) => !/header with (a text|great|a control|a lead|inf|no num|single|a comma)/.test(name)),
    ['claims in bytes that are no UTF-8', bytes([0xff, 0xfe])], ['claims in UTF-8 that is too long', bytes([0xc0,
      0xaf])],
    ['claims with half a character', bytes([0xed, 0xa0, 0x80])],
    ['claims in UTF-16', `${wide}.${signature(key, wide).toString('base64url')}`],
  ];
}

function times(key: TokenKey): Named {
  const wrong: unknown[] = ['9999999999', '', 'never', null, true, [], [9999999999], {}, -1, -1e300];
  const head = JSON.stringify(header(key));
  const huge = (claim: string): [string, string] => {
    const { [claim]: _claim, ...rest } = claimsOf();
    return [`${claim} 1e400`, raw(key, head, JSON.stringify(rest).replace('{', `{"${claim}":1e400,`))];
  };
  return [
    ...['exp', 'nbf', 'iat'].flatMap((claim) => [huge(claim), ...wrong.map((value): [string, string] =>
      [`${claim} ${JSON.stringify(value)}`, tokenOf(key, { [claim]: value })])]),
    ['exp 0', tokenOf(key, { exp: 0 })], ['exp long past', tokenOf(key, { exp: nowSeconds() - 3600 })],
    ['exp just past', tokenOf(key, { exp: nowSeconds() - 120 })], ['exp in milliseconds of 1970', tokenOf(key, {
      exp: 1e6 })],
    ['nbf to come', tokenOf(key, { nbf: nowSeconds() + 3600 })], ['nbf never to come', tokenOf(key, { nbf: 9e15 })],
  ];
}

function issuers(key: TokenKey): Named {
  const wrong: unknown[] = [undefined, '', 'https://evil.test', `${ISSUER}/`, `${ISSUER} `, ` ${ISSUER}`,
    ISSUER.toUpperCase(),
    `${ISSUER}\0`, [ISSUER], { iss: ISSUER }, null, 7, `${ISSUER}.evil.test`, ISSUER.replace('s', '\u017f'),
    ISSUER.replace('https', 'http'), ISSUER.slice(0, -1)];
  return [
    ...wrong.map((iss): [string, string] => [`iss ${JSON.stringify(iss)}`, tokenOf(key, { iss })]),
    ...[7, ['a'], {}, null].map((sub): [string, string] => [`sub ${JSON.stringify(sub)}`, tokenOf(key, { sub })]),
    ...[7, {}, [7], null, [['a']]].map((aud): [string, string] => [`aud ${JSON.stringify(aud)}`, tokenOf(key, {
      aud })]),
  ];
}

function signatures(key: TokenKey): Named {
  const data = `${base64url(header(key))}.${base64url(claimsOf())}`;
  const good = signature(key, data);
  const mac = (bytes: Uint8Array): string => `${data}.${Buffer.from(bytes).toString('base64url')}`;
  const flipped = (at: number): Uint8Array => good.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const [, otherClaims] = tokenOf(key, { sub: 'admin' }).split('.');
  return [
    ['a bit of the first byte', mac(flipped(0))], ['a bit of the last byte', mac(flipped(good.length - 1))],
    ['a bit in the middle', mac(flipped(good.length >> 1))], ['a byte less', mac(good.subarray(1))],
    ['a byte less at the end', mac(good.subarray(0, -1))], ['a byte more', mac(Buffer.concat([good, Buffer.alloc(1)]))],
    ['a zero before', mac(Buffer.concat([Buffer.alloc(1), good]))], ['zeros', mac(Buffer.alloc(good.length))],
    ['ones', mac(Buffer.alloc(good.length, 255))], ['twice', mac(Buffer.concat([good, good]))],
    ['one byte', mac(Buffer.alloc(1))], ['the first half', mac(good.subarray(0, good.length >> 1))],
    ['0 and 1', mac(Buffer.concat([Buffer.alloc((good.length >> 1) - 1), Buffer.from([1]),
      Buffer.alloc(good.length >> 1)]))],
    ['DER of zeros', mac(Buffer.from([0x30, 6, 2, 1, 0, 2, 1, 0]))],
    ['DER of the numbers', mac(derOf(good))],
    ...cutZero(key),
    ['of other claims', `${base64url(header(key))}.${otherClaims ?? ''}.${good.toString('base64url')}`],
    ['of the claims alone', `${data}.${signature(key, data.split('.')[1]!).toString('base64url')}`],
    ['of the texts before they were encoded', `${data}.${signature(key,
      `${JSON.stringify(header(key))}.${JSON.stringify(claimsOf())}`).toString('base64url')}`],
  ].map(([name, token]) => [`signature: ${name}`, token!]);
}

/** A signature that begins with a zero is the same number without it (RFC 8017 section 8: its length is fixed). */
function cutZero(key: TokenKey): [string, string][] {
  if (!/^[RP]S/.test(key.algorithm)) return [];
  for (let n = 0; ; n++) {
    const data = `${base64url(header(key))}.${base64url(claimsOf({ n }))}`;
    const bytes = signature(key, data);
    if (bytes[0] === 0) return [['without its first zero', `${data}.${bytes.subarray(1).toString('base64url')}`]];
  }
}

/** The two halves as ASN.1 INTEGERs, as other protocols have them. */
function derOf(bytes: Buffer): Buffer {
  const half = bytes.length >> 1;
  const integer = (part: Buffer): Buffer => {
    const body = part[0]! > 127 ? Buffer.concat([Buffer.alloc(1), part]) : part;
    return Buffer.concat([Buffer.from([2, body.length]), body]);
  };
  const body = Buffer.concat([integer(bytes.subarray(0, half)), integer(bytes.subarray(half))]);
  return Buffer.concat([Buffer.from(body.length < 128 ? [0x30, body.length] : [0x30, 0x81, body.length & 255]), body]);
}

/** They are signed well. */
function sizes(key: TokenKey): Named {
  return [['17 KiB of claims', tokenOf(key, { fill: 'x'.repeat(17 * 1024) })],
    ['17 KiB of header', tokenOf(key, {}, { fill: 'x'.repeat(17 * 1024) })]];
}
