// `weft evidence`: what the running mesh shows of NIST SP 800-53's controls, as Markdown or JSON.
import { parseArgs } from 'node:util';
import { observe, type Observation, type ObserveOptions } from '../control/evidence/observe.ts';
import { evidenceOf, markdown } from '../control/evidence/report.ts';
import { messageOf } from '../proxy/base/error.ts';
import { UsageError, addressOption, tokenHeader } from './usage.ts';

const HTTP_DEFAULT = '127.0.0.1:15080';
const ADMIN_PORT_DEFAULT = '15000';

export const HELP = `usage: weft evidence [options]

      --http HOST:PORT   the control plane's HTTP address (default ${HTTP_DEFAULT})
      --token-file FILE  what another machine's control plane wants to see (its --http-token-file)
      --admin URL        a proxy's admin interface, beside those that are found; may be repeated
      --admin-port N     where the admin interfaces of the proxies that the control plane knows are looked for, at the
                         proxies' own addresses (default ${ADMIN_PORT_DEFAULT})
      --json             every figure, for machines

What is observed is listed, plaintext too; what could not be observed is said to be not known. Exit status: 0 nothing
that does not hold, 1 something, 2 usage or no control plane.
`;

const OPTIONS = {
  http: { type: 'string', default: HTTP_DEFAULT },
  'token-file': { type: 'string' },
  admin: { type: 'string', multiple: true },
  'admin-port': { type: 'string', default: ADMIN_PORT_DEFAULT },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  addressOption('http', values.http);
  const { admin = [] } = values;
  const bad = admin.find((url) => !/^https?:\/\/[^/]+\/?$/.test(url));
  if (bad !== undefined) throw new UsageError(`--admin takes a URL like http://127.0.0.1:15000, not "${bad}"`);
  const port = Number(values['admin-port']);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new UsageError('--admin-port takes a port');
  const headers = await tokenHeader(values['token-file']);
  const observation = await look({ http: values.http, headers, admins: admin, adminPort: port });
  if (typeof observation === 'string') {
    process.stderr.write(`weft evidence: ${observation}\n`);
    return 2;
  }
  const evidence = evidenceOf(observation);
  process.stdout.write(values.json === true ? `${JSON.stringify(evidence, null, 2)}\n` : markdown(evidence));
  return evidence.fails === 0 ? 0 : 1;
}

/** What was seen, or why nothing was. */
async function look(options: Omit<ObserveOptions, 'nowMs'>): Promise<Observation | string> {
  try {
    return await observe({ ...options, nowMs: Date.now() });
  } catch (cause) {
    const reason = cause instanceof Error && cause.cause !== undefined ? messageOf(cause.cause) : messageOf(cause);
    return `no control plane at ${options.http} (${reason}); start one with: weft control --config DIR`;
  }
}
