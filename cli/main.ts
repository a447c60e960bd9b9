// `weft <command>`: finds the command's file, runs it, turns what it returns or throws into an exit status.
import { ConfigError, messageOf } from '../proxy/base/error.ts';
import { UsageError } from './usage.ts';

type Command = { readonly HELP: string; run(args: string[]): Promise<number> };

/** name -> [how to load it, one line of help]. */
const COMMANDS = new Map<string, readonly [() => Promise<Command>, string]>([
  [
    'demo',
    [() => import('./demo.ts'), 'the whole mesh on this machine with Bookinfo in it; --check runs the guided tour'],
  ],
  ['proxy', [() => import('./proxy.ts'), 'the data plane from an Envoy v3 bootstrap file: -c FILE [--concurrency N]']],
  ['control', [() => import('./control.ts'), 'the control plane: --config DIR [--xds HOST:PORT] [--http HOST:PORT]']],
  ['analyze', [() => import('./analyze.ts'), 'mistakes in a folder of Istio YAML, with file and line: DIR [--json]']],
  ['audit', [() => import('./audit.ts'), 'whether an audit log is what was written: verify DIR|FILE...; show']],
  ['evidence', [() => import('./evidence.ts'), 'what the running mesh shows of NIST SP 800-53: [--json]']],
  ['ca', [() => import('./ca.ts'), 'the certificate authority alone: --dir DIR [--listen HOST:PORT]']],
  ['init', [() => import('./init.ts'), 'leads a pod\'s connections through its sidecar; --clean undoes it']],
  ['wait', [() => import('./wait.ts'), 'holds until the proxy is ready, and says why it is not']],
  ['inject', [() => import('./inject.ts'), 'Kubernetes YAML with sidecars in its pods: -f FILE']],
  ['run', [() => import('./run.ts'), 'runs an application when its proxy is ready, and ends the proxy with it']],
  ['done', [() => import('./done.ts'), 'tells a proxy that its application has done its work']],
  ['status', [() => import('./status.ts'), 'which proxy runs which configuration, and what was refused']],
]);

function usage(): string {
  let text = 'usage: weft <command> [options]\n\n';
  for (const [name, [, help]] of COMMANDS) text += `  ${name.padEnd(9)} ${help}\n`;
  return `${text}\nEach command says more with --help. `
    + `Exit status: 0 success, 1 the thing checked does not hold, 2 usage or environment.\n`;
}

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage());
    return name === undefined ? 2 : 0;
  }
  const command = COMMANDS.get(name);
  if (command === undefined) {
    process.stderr.write(`weft: unknown command "${name}"\n\n${usage()}`);
    return 2;
  }
  const { HELP, run } = await command[0]();
  try {
    return await run(rest);
  } catch (cause) {
    if (!(cause instanceof UsageError)) throw cause;
    process.stderr.write(`weft ${name}: ${cause.message}\n\n${HELP}`);
    return 2;
  }
}

/** parseArgs' and configuration errors are the user's to mend: the message alone is enough. */
function explain(cause: unknown): string {
  if (cause instanceof ConfigError) return cause.message;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (code.startsWith('ERR_PARSE_ARGS') || process.env['WEFT_DEBUG'] === undefined) return messageOf(cause);
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (cause) {
  process.stderr.write(`weft: ${explain(cause)}\n`);
  process.exitCode = 2;
}
