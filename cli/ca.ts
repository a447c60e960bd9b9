// `weft ca`: the certificate authority alone, and workload tokens made offline.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { CertificateAuthority, auditLine } from '../certs/ca.ts';
import type { IssuanceRecord } from '../certs/ca.ts';
import { recordIssuances, recordRefusal, recordRoots } from '../certs/issuance-audit.ts';
import { startCaServer } from '../certs/server.ts';
import type { CaServer } from '../certs/server.ts';
import { parseSpiffeId } from '../certs/spiffe.ts';
import { StoreFile, certificateId } from '../certs/issuer.ts';
import { LiveStore } from '../certs/live-store.ts';
import { openStore } from '../certs/store.ts';
import type { CaStore, StoreOptions } from '../certs/store.ts';
import { TokenAuthority, writeTokenFile } from '../certs/token.ts';
import type { Authenticator } from '../certs/token.ts';
import { AuditLog } from '../proxy/base/audit-log.ts';
import { systemClock } from '../proxy/base/clock.ts';
import { endSignal } from '../proxy/base/end-signal.ts';
import { TimerWheel } from '../proxy/base/timers.ts';
import { TOKEN_HELP, TOKEN_OPTIONS, authenticatorOption } from './token-options.ts';
import { ROOT_HELP, isRootCommand, passphraseOf, runRootCommand } from './ca-root.ts';
import { UsageError, addressOption } from './usage.ts';

const LISTEN_DEFAULT = '127.0.0.1:15012';

export const HELP = `usage: weft ca --dir DIR [options]
       weft ca --dir DIR --token-for SPIFFE_ID [--out FILE]
${ROOT_HELP}
      --dir DIR            keys and certificates; made when missing, for this user alone. A plug-in CA lies there
                           as ca-key.pem, ca-cert.pem, root-cert.pem and cert-chain.pem, as Istio names them
      --listen HOST:PORT   where to serve (default ${LISTEN_DEFAULT}; port 0 takes a free one)
      --trust-domain NAME  for a new root (default cluster.local)
      --host NAME          one more DNS name or address of this server, for its certificate; may be repeated
      --token-for ID       mint a workload token of one hour, such as for spiffe://cluster.local/ns/default/sa/web
      --audience NAME      whom tokens are for (default weft-ca)
      --out FILE           write the token there, for this user alone, and not to standard output
      --audit-dir DIR      the audit log of certificates (default audit in --dir); read it with: weft audit
      --passphrase-file F  opens keys that are encrypted at rest, and encrypts those that are made
${TOKEN_HELP.slice(1)}`;

const OPTIONS = {
  dir: { type: 'string' },
  listen: { type: 'string', default: LISTEN_DEFAULT },
  'trust-domain': { type: 'string' },
  host: { type: 'string', multiple: true },
  'token-for': { type: 'string' },
  audience: { type: 'string' },
  out: { type: 'string' },
  'passphrase-file': { type: 'string' },
  'audit-dir': { type: 'string' },
  ...TOKEN_OPTIONS,
  help: { type: 'boolean', short: 'h' },
} as const;

export async function run(args: string[]): Promise<number> {
  if (isRootCommand(args) && !args.includes('--help')) return runRootCommand(args);
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
  const passphrase = passphraseOf(values['passphrase-file']);
  const options = { dir, passphrase, trustDomain: values['trust-domain'] };
  if (values['token-for'] !== undefined) return mintToken(options, values['token-for'], values.out, audience);
  setLogVerbosity(logVerbosity.NONE); // what grpc-js would print is in our own lines
  const authenticator = authenticatorOption(values);
  const wheel = new TimerWheel(systemClock);
  const onFailure = (reason: string): void => warn(`${reason}; what was read before stays in use`);
  const store = new LiveStore({ ...options, wheel, onFailure });
  const folder = values['audit-dir'] ?? join(dir, 'audit');
  const onFault = (reason: string): void => warn(`audit log in ${folder}: ${reason}`);
  const log = AuditLog.open({ folder, clock: systemClock, onFault });
  const server = await serve({ store, wheel, log }, values.listen, values.host ?? [], (current) => (
    authenticator(tokensOf(current, audience), current.trustDomain)
  ));
  print(`trust domain ${store.current.trustDomain}; root for sidecars: ${store.current.rootFile}`);
  print(`listening on ${server.address}`);
  print(`${await endSignal()}: closing`);
  store.close();
  await server.close();
  await log.close();
  return 0;
}

type Audience = { readonly audience?: string };

async function mintToken(
  options: StoreOptions, text: string, out: string | undefined, audience: Audience,
): Promise<number> {
  const { dir } = options;
  const identity = parseSpiffeId(text);
  if (identity === undefined) throw new UsageError(`--token-for takes spiffe://TRUST_DOMAIN/PATH, not "${text}"`);
  if (![StoreFile.certificate, StoreFile.issuer].some((name) => existsSync(join(dir, name)))) {
    process.stderr.write(`weft ca: ${dir}: there is no authority here; run: weft ca --dir ${dir}\n`);
    return 2;
  }
  const token = await tokensOf(openStore(options), audience).mint(identity);
  if (out === undefined) process.stdout.write(`${token}\n`);
  else writeTokenFile(out, token);
  return 0;
}

interface Serving {
  readonly store: LiveStore;
  readonly wheel: TimerWheel;
  readonly log: AuditLog;
}

function serve(
  { store, wheel, log }: Serving, listen: string, hosts: readonly string[],
  authenticatorOf: (store: CaStore) => Authenticator,
): Promise<CaServer> {
  const { current } = store;
  const recorded = recordIssuances(log);
  const audit = (record: IssuanceRecord): void => {
    recorded(record);
    print(auditLine(record));
  };
  const ca = new CertificateAuthority({ store: current, clock: systemClock, audit });
  store.subscribe((next) => {
    ca.use(next);
    recordRoots(log, next);
    print(`${next.roots.length} roots are trusted, ${certificateId(next.roots[0]!)} signs`);
  });
  return startCaServer({
    ca,
    authenticator: authenticatorOf(current),
    clock: systemClock,
    wheel,
    listen,
    hosts,
    onRefusal: (caller, reason) => {
      recordRefusal(log, caller, reason);
      warn(`refused ${caller}: ${reason}`);
    },
  });
}

function tokensOf(store: CaStore, audience: Audience): TokenAuthority {
  return new TokenAuthority({ key: store.tokenKey, trustDomain: store.trustDomain, clock: systemClock, ...audience });
}

function warn(line: string): void {
  process.stderr.write(`weft ca: ${line}\n`);
}

function print(line: string): void {
  process.stdout.write(`weft ca: ${line}\n`);
}
