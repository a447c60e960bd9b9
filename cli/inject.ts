// `weft inject`: Kubernetes YAML in, the same with sidecars in its pods out.
import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { injectManifest } from '../control/inject/inject-manifest.ts';
import { readInjectionSettings } from '../control/inject/settings-file.ts';
import { defined } from '../control/inject/injection-settings.ts';
import { messageOf } from '../proxy/base/error.ts';
import { UsageError } from './usage.ts';

export const HELP = `usage: weft inject -f FILE [options]

  -f, --filename FILE      Kubernetes YAML or JSON; - is the standard input
  -o, --output FILE        where the result goes (default: the standard output)
      --mesh-config FILE   Istio's MeshConfig: defaultConfig, trustDomain, enablePrometheusMerge
      --values FILE        Helm values by Istio's names: global.proxy, global.hub, sidecarInjectorWebhook ...
      --image IMAGE        of the sidecar; --init-image IMAGE of what sets up its redirection
      --revision NAME      of the control plane (default: default)
      --namespace NAME     of objects that name none (default: default)
      --classic            sidecars are ordinary containers, for Kubernetes before 1.29

Pods get what the webhook of weft control gives them. Reasons and warnings go to the standard error.
Exit status: 0 written, 1 a pod is refused, 2 usage.
`;

const OPTIONS = {
  filename: { type: 'string', short: 'f' },
  output: { type: 'string', short: 'o' },
  'mesh-config': { type: 'string' },
  values: { type: 'string' },
  image: { type: 'string' },
  'init-image': { type: 'string' },
  revision: { type: 'string' },
  namespace: { type: 'string' },
  classic: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const { filename: file, output } = values;
  if (file === undefined) throw new UsageError('-f FILE is missing');
  const text = await readInput(file);
  const read = await readInjectionSettings({ mesh: values['mesh-config'], values: values.values });
  const settings = defined(read.settings, {
    image: values.image, initImage: values['init-image'], revision: values.revision,
      nativeSidecars: values.classic === true ? false : undefined,
  });
  const result = injectManifest(text, file === '-' ? 'standard input' : file, settings, values.namespace);
  for (const line of [...read.warnings, ...result.warnings]) process.stderr.write(`warning: ${line}\n`);
  for (const line of result.notes) process.stderr.write(`left as it is: ${line}\n`);
  for (const line of result.errors) process.stderr.write(`error: ${line}\n`);
  if (result.errors.length > 0) return 1;
  if (output === undefined) process.stdout.write(result.text);
  else await writeFile(output, result.text);
  return 0;
}

async function readInput(file: string): Promise<string> {
  try {
    return file === '-' ? await readAll(process.stdin) : await readFile(file, 'utf8');
  } catch (cause) {
    throw new UsageError(`cannot read ${file}: ${messageOf(cause)}`);
  }
}
