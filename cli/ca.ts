// `weft ca`: the certificate authority alone, and workload tokens made offline.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { CertificateAuthority, auditLine } from '../certs/ca.ts';
import { startCaServer } from '../certs/server.ts';
import type { CaServer } from '../certs/server.ts';
import { parseSpiffeId } from '../certs/spiffe.ts';
import { StoreFile, openStore } from '../certs/store.ts';
import type { CaStore } from '../certs/store.ts';
import { TokenAuthority, writeTokenFile } from '../certs/token.ts';
import { systemClock } from '../proxy/base/clock.ts';
import { endSignal } from '../proxy/base/end-signal.ts';
import { TimerWheel } from '../proxy/base/timers.ts';
import { UsageError, addressOption } from './usage.ts';

const LISTEN_DEFAULT = '127.0.0.1:15012';

export const HELP = `usage: weft ca --dir DIR [options]
       weft ca --dir DIR --token-for SPIFFE_ID [--out FILE]

      --dir DIR            keys and certificates; made when missing, for this user alone. A plug-in CA lies there
                           as ca-key.pem, ca-cert.pem, root-cert.pem and cert-chain.pem, as Istio names them
      --listen HOST:PORT   where to serve (default ${LISTEN_DEFAULT}; port 0 takes a free one)
      --trust-domain NAME  for a new root (default cluster.local)
      --host NAME          one more DNS name or address of this server, for its certificate; may be repeated
      --token-for ID       mint a workload token of one hour, such as for spiffe://cluster.local/ns/default/sa/web
      --audience NAME      whom tokens are for (default weft-ca)
      --out FILE           write the token there, for this user alone, and not to standard output
`;

const OPTIONS = {
  dir: { type: 'string' },
  listen: { type: 'string', default: LISTEN_DEFAULT },
  'trust-domain': { type: 'string' },
  host: { type: 'string', multiple: true },
  'token-for': { type: 'string' },
  audience: { type: 'string' },
  out: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const { dir } = values;
  if (dir === undefined) throw new UsageError('--dir DIR is missing');
  addressOption('listen', values.listen);
  if (values.out !== undefined && values['token-for'] === undefined) {
    throw new UsageError('--out goes with --token-for');
  }
  const audience = values.audience === undefined ? {} : { audience: values.audience };
  if (values['token-for'] !== undefined) return mintToken(dir, values['token-for'], values.out, audience);
  setLogVerbosity(logVerbosity.NONE); // what grpc-js would print is in our own lines
  const store = openStore({ dir, trustDomain: values['trust-domain'] });
  const server = await serve(store, values.listen, values.host ?? [], audience);
  print(`trust domain ${store.trustDomain}; root for sidecars: ${store.rootFile}`);
  print(`listening on ${server.address}`);
  print(`${await endSignal()}: closing`);
  await server.close();
  return 0;
}

type Audience = { readonly audience?: string };

async function mintToken(dir: string, text: string, out: string | undefined, audience: Audience): Promise<number> {
  const identity = parseSpiffeId(text);
  if (identity === undefined) throw new UsageError(`--token-for takes spiffe://TRUST_DOMAIN/PATH, not "${text}"`);
  if (!existsSync(join(dir, StoreFile.certificate))) {
    process.stderr.write(`weft ca: ${dir}: there is no authority here; run: weft ca --dir ${dir}\n`);
    return 2;
  }
  const token = await tokensOf(openStore({ dir }), audience).mint(identity);
  if (out === undefined) process.stdout.write(`${token}\n`);
  else writeTokenFile(out, token);
  return 0;
}

function serve(store: CaStore, listen: string, hosts: readonly string[], audience: Audience): Promise<CaServer> {
  const ca = new CertificateAuthority({ store, clock: systemClock, audit: (record) => print(auditLine(record)) });
  return startCaServer({
    ca,
    authenticator: tokensOf(store, audience),
    clock: systemClock,
    wheel: new TimerWheel(systemClock),
    listen,
    hosts,
    onRefusal: (caller, reason) => {
      process.stderr.write(`weft ca: refused ${caller}: ${reason}\n`);
    },
  });
}

function tokensOf(store: CaStore, audience: Audience): TokenAuthority {
  return new TokenAuthority({ key: store.tokenKey, trustDomain: store.trustDomain, clock: systemClock, ...audience });
}

function print(line: string): void {
  process.stdout.write(`weft ca: ${line}\n`);
}
