// Opens the sources that the control plane was told of; what only some need is loaded for those.
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
}

export async function openSource({ configDir, consul }: SourceOptions, clock: Clock): Promise<Source> {
  const sources: Source[] = [];
  if (configDir !== undefined) sources.push(new FileSource({ folder: configDir, clock }));
  if (consul !== undefined) {
    const { ConsulSource } = await import('./consul.ts');
    sources.push(new ConsulSource({ ...consul, clock, random: new PooledRandom() }));
  }
  const [first] = sources;
  return sources.length === 1 && first !== undefined ? first : new UnionSource(sources);
}
