// Where the control plane's objects come from, besides a folder: options of `weft control`.
import { readFileSync } from 'node:fs';
import type { KubernetesOptions, SourceOptions } from '../control/source/open.ts';
import { UsageError } from './usage.ts';

export const SOURCE_HELP = `
      --source kubernetes  what a Kubernetes API server has too; with others: kubernetes,consul
      --kubeconfig FILE    where it is and who asks (default: $KUBECONFIG, ~/.kube/config, the pod's account)
      --context NAME       a context of the kubeconfig (default its current one)
      --read-only          write no status into it, and no Lease by which one of several control planes does
      --namespaces A,B     only these of it (default: all that the mesh's discoverySelectors select)
      --source consul      services of Consul's catalog too, as NAME.service.consul; \`--config\` may be left out then
      --consul URL         its HTTP API (default http://127.0.0.1:8500)
      --consul-token-file F, --consul-ca-file F   token that is shown to it (read anew each time), and roots for https
      --consul-datacenter DC, --consul-namespace NS, --consul-domain D   whose services (default: the agent's, D consul)
      --consul-into NS     namespace of the mesh that they are in (default default)
`;

export const SOURCE_OPTIONS = {
  source: { type: 'string' },
  kubeconfig: { type: 'string' },
  context: { type: 'string' },
  namespaces: { type: 'string' },
  'read-only': { type: 'boolean' },
  consul: { type: 'string' },
  'consul-token-file': { type: 'string' },
  'consul-ca-file': { type: 'string' },
  'consul-datacenter': { type: 'string' },
  'consul-namespace': { type: 'string' },
  'consul-domain': { type: 'string' },
  'consul-into': { type: 'string' },
} as const;

export type SourceValues = { readonly [K in Exclude<keyof typeof SOURCE_OPTIONS, 'read-only'>]?: string }
  & { readonly 'read-only'?: boolean };

const SOURCES = new Set(['kubernetes', 'consul']);

/** Throws a UsageError for what cannot be meant. */
export function sourceOption(values: SourceValues, configDir: string | undefined): SourceOptions {
  const names = new Set((values.source ?? '').split(',').filter((name) => name !== ''));
  for (const name of names) {
    if (!SOURCES.has(name)) throw new UsageError(`--source knows ${[...SOURCES].join(' and ')}, not "${name}"`);
  }
  if (configDir === undefined && names.size === 0) throw new UsageError('--config DIR is missing');
  const stray = Object.keys(values).find((name) => name.startsWith('consul') && !names.has('consul'));
  if (stray !== undefined) throw new UsageError(`--${stray} goes with --source consul`);
  for (const option of ['kubeconfig', 'context', 'namespaces', 'read-only'] as const) {
    if (names.has('kubernetes') || values[option] === undefined) continue;
    throw new UsageError(`--${option} goes with --source kubernetes`);
  }
  return {
    configDir,
    ...(names.has('kubernetes') && { kubernetes: kubernetesOptions(values) }),
    ...(names.has('consul') && { consul: consulOptions(values) }),
  };
}

/** Each is watched by itself: more are better watched together. */
const NAMESPACES_MAX = 50;

function kubernetesOptions(values: SourceValues): KubernetesOptions {
  const { kubeconfig, context, namespaces, 'read-only': readOnly = false } = values;
  const names = namespaces === undefined ? [] : namespaces.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name));
  if (wrong !== undefined) throw new UsageError(`--namespaces: "${wrong}" is not the name of a namespace`);
  if (names.length > NAMESPACES_MAX) throw new UsageError(`--namespaces takes at most ${NAMESPACES_MAX}`);
  return { kubeconfig, context, namespaces: names, readOnly };
}

function consulOptions(values: SourceValues): NonNullable<SourceOptions['consul']> {
  const { consul: url = 'http://127.0.0.1:8500', 'consul-token-file': tokenFile, 'consul-ca-file': caFile } = values;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new UsageError(`--consul takes a URL like http://127.0.0.1:8500, not "${url}"`);
  }
  return {
    url,
    token: tokenFile === undefined ? undefined : () => readFileSync(tokenFile, 'utf8').trim(),
    roots: caFile === undefined ? undefined : readFileSync(caFile, 'utf8'),
    datacenter: values['consul-datacenter'],
    consulNamespace: values['consul-namespace'],
    domain: values['consul-domain'] ?? 'consul',
    namespace: values['consul-into'] ?? 'default',
  };
}
