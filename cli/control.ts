// `weft control`: the control plane with its certificate authority, from a folder of Istio YAML.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { startControl, type ControlHandle } from '../control/control.ts';
import { endSignal } from '../proxy/base/end-signal.ts';
import { joinHostPort } from '../proxy/base/host-port.ts';
import type { HostPort } from '../proxy/base/host-port.ts';
import { Logger, parseLogLevel } from '../proxy/telemetry/log.ts';
import { passphraseOf } from './ca-root.ts';
import { SOURCE_HELP, SOURCE_OPTIONS, sourceOption } from './source-options.ts';
import { TOKEN_HELP, TOKEN_OPTIONS, authenticatorOption } from './token-options.ts';
import { WEBHOOK_HELP, WEBHOOK_OPTIONS, webhookOption } from './webhook-options.ts';
import { UsageError, addressOption } from './usage.ts';
import { keepWorkloadFolders, workloadFolders } from './workload-folders.ts';

export const HELP = `usage: weft control (--config DIR | --source NAME) [options]

      --config DIR         folder of Istio and Kubernetes YAML; watched. Its objects go before others of their names
      --xds HOST:PORT      xDS in plaintext (default 127.0.0.1:15010)
      --secure HOST:PORT   xDS and the certificate authority over TLS (default 127.0.0.1:15012)
      --http HOST:PORT     spans, traces and status (default 127.0.0.1:15080); read by callers on this machine
      --http-network CIDR  whose callers may read there too; may be repeated
      --http-token-file FILE  a token by which all others may, as a bearer or as a password
      --ca-dir DIR         keys of the authority; made when missing (default ${defaultCaDir()})
      --ca-passphrase-file FILE  opens keys of the authority that are encrypted at rest, and encrypts those it makes
      --trust-domain NAME  for a new root (default cluster.local)
      --host NAME          one more name or address of this server, for its certificate; may be repeated
      --audit-dir DIR      the audit log: changes of the configuration and certificates that were issued (default
                           audit in --ca-dir); read it with: weft audit
      --workload NS/ACCOUNT=DIR  keeps a token for that identity and the root in DIR, for a sidecar where no Kubernetes
                           does; may be repeated
      --jwks-network CIDR  a private network where issuers' keys may be fetched, also without TLS; may be repeated
      --strict-hosts       rules take over hosts of other namespaces only where a ReferenceGrant there lets them
  -l, --log-level LEVEL    trace, debug, info, warning, error, critical, off (default info)
${SOURCE_HELP.slice(1)}${WEBHOOK_HELP.slice(1)}${TOKEN_HELP.slice(1)}`;

const OPTIONS = {
  config: { type: 'string' },
  ...SOURCE_OPTIONS,
  ...WEBHOOK_OPTIONS,
  xds: { type: 'string' },
  secure: { type: 'string' },
  http: { type: 'string' },
  'http-network': { type: 'string', multiple: true },
  'http-token-file': { type: 'string' },
  'strict-hosts': { type: 'boolean' },
  'ca-dir': { type: 'string' },
  'ca-passphrase-file': { type: 'string' },
  'audit-dir': { type: 'string' },
  'trust-domain': { type: 'string' },
  host: { type: 'string', multiple: true },
  workload: { type: 'string', multiple: true },
  'jwks-network': { type: 'string', multiple: true },
  'log-level': { type: 'string', short: 'l' },
  ...SOURCE_OPTIONS,
  ...TOKEN_OPTIONS,
  help: { type: 'boolean', short: 'h' },
} as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const folders = workloadFolders(values.workload ?? []);
  const sources = sourceOption(values, values.config);
  const level = values['log-level'] ?? 'info';
  if (parseLogLevel(level) === undefined) throw new UsageError(`--log-level does not know "${level}"`);
  const addresses = addressesOf(values);
  const caDir = values['ca-dir'] ?? defaultCaDir();
  setLogVerbosity(logVerbosity.NONE); // what grpc-js would print is in our own lines
  const log = new Logger(level).component('control');
  const control = await startControl({
    ...sources,
    webhooks: webhookOption(values),
    caDir,
    auditDir: values['audit-dir'] ?? join(caDir, 'audit'),
    caPassphrase: passphraseOf(values['ca-passphrase-file']),
    authenticator: authenticatorOption(values),
    ...addresses,
    httpReaders: { networks: values['http-network'] ?? [], tokenFile: values['http-token-file'] },
    trustDomain: values['trust-domain'],
    hosts: values.host ?? [],
    jwksNetworks: values['jwks-network'] ?? [],
    settings: { strictHosts: values['strict-hosts'] ?? false },
    log,
  });
  const release = await keepWorkloadFolders(control, folders, (line) => log.warning(line));
  report(control);
  process.stdout.write(`weft control: ${await endSignal()}: closing\n`);
  release();
  await control.close();
  return 0;
}

type Addresses = { readonly [K in 'xds' | 'secure' | 'http']?: HostPort };

/** Those that are given. */
function addressesOf(values: { readonly [K in 'xds' | 'secure' | 'http']?: string }): Addresses {
  const addresses: { [K in 'xds' | 'secure' | 'http']?: HostPort } = {};
  for (const name of ['xds', 'secure', 'http'] as const) {
    const text = values[name];
    if (text !== undefined) addresses[name] = addressOption(name, text);
  }
  return addresses;
}

/** Where users' state belongs that must outlive the process. */
function defaultCaDir(): string {
  return join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'weft', 'ca');
}

function report(control: ControlHandle): void {
  const { config, refusedFiles } = control.status();
  const lines = [
    `${config.objects} objects of ${config.files} files in ${config.source}, ${refusedFiles.length} files refused`,
    `xDS on ${text(control.xds)} (plaintext) and ${text(control.secure)} (TLS, with the certificate authority)`,
    `trust domain ${control.trustDomain}; root for sidecars: ${control.rootFile}`,
    ...(control.webhook === undefined ? [] : [`webhooks on https://${text(control.webhook)}`]),
    `traces on http://${text(control.http)}/traces, status with: weft status --http ${text(control.http)}`,
  ];
  for (const line of lines) process.stdout.write(`weft control: ${line}\n`);
}

function text({ host, port }: HostPort): string {
  return joinHostPort(host, port);
}
