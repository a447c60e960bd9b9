// Opens the sources that the control plane was told of; what only some need is loaded for those.
import { hostname } from 'node:os';
import type { Clock } from '../../proxy/base/clock.ts';
import { PooledRandom } from '../../proxy/base/random.ts';
import type { ConsulAddress } from './consul-client.ts';
import type { ConsulNaming } from './consul-service.ts';
import { FileSource } from './files.ts';
import type { Source } from './source.ts';
import { UnionSource } from './union.ts';

export interface SourceOptions {
  /** Folder of YAML, which holds before what other sources have. */
  readonly configDir?: string | undefined;
  readonly consul?: (ConsulAddress & Partial<ConsulNaming>) | undefined;
  /** A Kubernetes API server, which goes before Consul. */
  readonly kubernetes?: KubernetesOptions | undefined;
}

export interface KubernetesOptions {
  /** Default: $KUBECONFIG, ~/.kube/config, then the pod's own account. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /** Default all, or those that MeshConfig.discoverySelectors select. */
  readonly namespaces?: readonly string[];
  /** Nothing is written there: no status, no Lease. */
  readonly readOnly?: boolean;
}

export interface SourceParts {
  readonly clock: Clock;
  readonly rootNamespace: string;
  readonly log: { info(line: string): void; warning(line: string): void };
}

/** Rejects with a ConfigError where one cannot be opened. */
export async function openSource(options: SourceOptions, parts: SourceParts): Promise<Source> {
  const { configDir, consul, kubernetes } = options;
  const { clock } = parts;
  const sources: Source[] = [];
  if (configDir !== undefined) sources.push(new FileSource({ folder: configDir, clock }));
  if (kubernetes !== undefined) sources.push(await openKubernetes(kubernetes, parts));
  if (consul !== undefined) {
    const { ConsulSource } = await import('./consul.ts');
    sources.push(new ConsulSource({ ...consul, clock, random: new PooledRandom() }));
  }
  const [first] = sources;
  return sources.length === 1 && first !== undefined ? first : new UnionSource(sources);
}

async function openKubernetes(options: KubernetesOptions, parts: SourceParts): Promise<Source> {
  const { KubeClient } = await import('./kube-client.ts');
  const { KubernetesSource } = await import('./kubernetes.ts');
  const { namespaces = [], readOnly = false } = options;
  const random = new PooledRandom();
  // A pod's name is its host's; one that is started again is another.
  const client = await KubeClient.load(options);
  const namespace = client.namespace ?? parts.rootNamespace;
  const leader = { namespace, identity: `${hostname()}_${random.hex(4)}` };
  return new KubernetesSource({
    client, namespaces, random, ...parts, ...(!readOnly && { leader }),
  });
}
