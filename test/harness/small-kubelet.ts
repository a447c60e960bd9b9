// A kubelet as small as a test needs it: volumes, environment and rights of one pod's containers, run in the pod's
// network namespace; images are the weft of this tree, or a command that the test gives.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { configure } from './own-network.ts';
import type { KubeApiServer } from './kube-apiserver.ts';
import { APPLICATION_USER, type Pod } from './pod-network.ts';
import { ServerProcess } from './process.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));

/** Folders of the machine over which nothing is written: what pods mount there is seen in this test alone. */
export function overlayFolders(folder: string, paths: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  configure([`mount -t tmpfs none ${folder}`]);
  for (const path of paths) {
    const [upper, work] = ['upper', 'work'].map((name) => join(folder, path.replaceAll('/', '_') + name));
    for (const made of [upper!, work!]) mkdirSync(made);
    configure([`mount -t overlay overlay -o lowerdir=${path},upperdir=${upper},workdir=${work} ${path}`]);
  }
}

interface Source {
  readonly fieldRef?: { readonly fieldPath: string };
  readonly resourceFieldRef?: { readonly resource: string };
}

export interface RunContainer {
  readonly name: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: Source }[];
  readonly resources?: { readonly limits?: Readonly<Record<string, string>> };
  readonly securityContext?: {
    readonly runAsUser?: number; readonly capabilities?: { readonly add?: readonly string[] };
  };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}

interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly emptyDir?: object;
  readonly downwardAPI?: {
    readonly items: readonly { readonly path: string; readonly fieldRef: { readonly fieldPath: string } }[];
  };
  readonly projected?: { readonly sources: readonly {
    readonly serviceAccountToken?: { readonly path: string; readonly audience: string };
  }[] };
}

/** A pod as the API server gave it back. */
export interface RunPod {
  readonly metadata: {
    readonly name: string; readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>; readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly serviceAccountName: string; readonly containers: readonly RunContainer[];
    readonly initContainers: readonly RunContainer[]; readonly volumes: readonly Volume[];
  };
}

export class SmallKubelet {
  readonly #api: KubeApiServer;
  readonly #pod: RunPod;
  readonly #network: Pod;
  readonly #folder: string;

  constructor(api: KubeApiServer, pod: RunPod, network: Pod, folder: string) {
    this.#api = api;
    this.#pod = pod;
    this.#network = network;
    this.#folder = join(folder, pod.metadata.name);
  }

  /** Writes what the volumes hold. */
  async prepare(): Promise<void> {
    for (const volume of this.#pod.spec.volumes) {
      const folder = join(this.#folder, volume.name);
      mkdirSync(folder, { recursive: true });
      for (const [file, text] of await this.#files(volume)) writeFileSync(join(folder, file), text);
      if (volume.emptyDir === undefined) chownSync(folder, 1337, 1337);
      else chmodSync(folder, 0o777);
    }
  }

  /** To its end; throws with what it said. */
  runToEnd(container: RunContainer): string {
    const [command, ...args] = this.#command(container, [process.execPath, WEFT, ...container.args ?? []]);
    return execFileSync(command!, args, { encoding: 'utf8' });
  }

  start(container: RunContainer): ServerProcess {
    const [command, ...args] = this.#command(container, [process.execPath, WEFT, ...this.#arguments(container)]);
    return new ServerProcess(command!, args, { name: `${this.#pod.metadata.name}/${container.name}` });
  }

  /** `weft` in an application's container, with what was injected there. */
  runWeft(container: RunContainer, ...args: readonly string[]): string {
    const own = { ...container, securityContext: { runAsUser: APPLICATION_USER } };
    const [command, ...rest] = this.#command(own, [process.execPath, WEFT, ...args]);
    return execFileSync(command!, rest, { encoding: 'utf8' });
  }

  startApplication(...command: readonly string[]): ServerProcess {
    return this.#network.start(APPLICATION_USER, command[0]!, command.slice(1), 'application');
  }

  /** Mounts are made where `ip netns exec` has a mount namespace of its own. */
  #command({ securityContext = {}, volumeMounts = [], env = [], resources }: RunContainer, run: string[]): string[] {
    const mounts = volumeMounts.flatMap(({ name, mountPath, readOnly }) => {
      mkdirSync(mountPath, { recursive: true });
      const mount = `mount --bind ${join(this.#folder, name)} ${mountPath}`;
      return readOnly === true ? [mount, `mount -o remount,bind,ro ${mountPath}`] : [mount];
    });
    const { runAsUser: user = 0, capabilities: { add = [] } = {} } = securityContext;
    const kept = ['-all', ...add.map((name) => `+${name.toLowerCase()}`)].join();
    const rights = user === 0 ? ['--bounding-set', kept]
      : ['--reuid', String(user), '--regid', String(user), '--clear-groups', '--bounding-set', kept,
        '--inh-caps=-all', '--no-new-privs'];
    const variables = env.map(({ name, value, valueFrom }) => `${name}=${value ?? this.#value(valueFrom, resources)}`);
    const script = [...mounts, 'exec "$@"'].join(' && ');
    return ['ip', 'netns', 'exec', this.#network.name, 'sh', '-c', script, 'sh',
      'setpriv', ...rights, 'env', '-i', 'PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...variables, ...run];
  }

  /** `$(NAME)` is a variable of the container's own. */
  #arguments({ args = [], env = [], resources }: RunContainer): string[] {
    return args.map((arg) => arg.replace(/\$\(([A-Z_]+)\)/g, (_, wanted: string) => {
      const found = env.find(({ name }) => name === wanted);
      return found?.value ?? this.#value(found?.valueFrom, resources);
    }));
  }

  #value(source: Source | undefined, resources: RunContainer['resources']): string {
    if (source?.resourceFieldRef !== undefined) {
      return String(Math.ceil(Number.parseInt(resources?.limits?.['cpu'] ?? '1000', 10) / 1000));
    }
    const { metadata, spec } = this.#pod;
    const fields = new Map([
      ['metadata.name', metadata.name], ['metadata.namespace', metadata.namespace],
      ['status.podIP', this.#network.ip], ['status.podIPs', this.#network.ip], ['status.hostIP', '10.9.0.1'],
      ['spec.serviceAccountName', spec.serviceAccountName], ['spec.nodeName', ''],
    ]);
    const found = fields.get(source?.fieldRef?.fieldPath ?? '');
    if (found === undefined) throw new Error(`no value for ${JSON.stringify(source)}`);
    return found;
  }

  async #files({ configMap, downwardAPI, projected }: Volume): Promise<(readonly [string, string])[]> {
    const { metadata, spec } = this.#pod;
    if (configMap !== undefined) {
      const { name } = configMap;
      const found = await this.#api.get({
        apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: metadata.namespace } });
      return Object.entries(found['data'] as Record<string, string>);
    }
    const tokens = projected?.sources.flatMap(({ serviceAccountToken: token }) => (token === undefined ? [] : [token]));
    const given = await Promise.all((tokens ?? []).map(async ({ path, audience }) => (
      [path, await this.#api.serviceAccountToken(metadata.namespace, spec.serviceAccountName, audience)] as const)));
    const facts = (downwardAPI?.items ?? []).map(({ path, fieldRef }) => {
      const map = fieldRef.fieldPath === 'metadata.labels' ? metadata.labels : metadata.annotations;
      return [path, Object.entries(map).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join('\n')] as const;
    });
    return [...given, ...facts];
  }
}
