// `weft control --workload`: folders with what sidecars need for certificates, kept fresh where no Kubernetes does.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workloadSpiffeId, type SpiffeId } from '../certs/spiffe.ts';
import { writeTokenFile } from '../certs/token.ts';
import type { ControlHandle } from '../control/control.ts';
import { messageOf } from '../proxy/base/error.ts';
import { replacePrivateFile } from '../proxy/base/private-file.ts';
import { UsageError } from './usage.ts';

/** A workload's folder; its sidecar finds `istio-token` and `root-cert.pem` there, as in a pod of Istio's. */
export interface WorkloadFolder {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly folder: string;
}

/** Tokens are good for an hour. */
const TOKEN_REFRESH_MS = 20 * 60_000;
const ROOT_LOOK_MS = 10_000;

/** `NAMESPACE/ACCOUNT=DIR`, each. Throws a UsageError for what is none. */
export function workloadFolders(values: readonly string[]): WorkloadFolder[] {
  return values.map((value) => {
    const [, namespace = '', serviceAccount = '', folder = ''] = /^([^/=]+)\/([^/=]+)=(.+)$/.exec(value) ?? [];
    if (workloadSpiffeId('cluster.local', namespace, serviceAccount) !== undefined) {
      return { namespace, serviceAccount, folder };
    }
    throw new UsageError(`--workload takes NAMESPACE/ACCOUNT=DIR, such as default/web=/workloads/web, not "${value}"`);
  });
}

/** Fills the folders, and keeps doing so until what it returns is called. Closes and rejects where that cannot be. */
export async function keepWorkloadFolders(
  control: ControlHandle, folders: readonly WorkloadFolder[], warning: (line: string) => void,
): Promise<() => void> {
  if (folders.length === 0) return () => undefined;
  const roots = new Map<string, string>();
  const tokens = async (): Promise<void> => {
    for (const one of folders) {
      writeTokenFile(join(one.folder, 'istio-token'), await control.mintToken(identityOf(one, control.trustDomain)));
    }
  };
  const root = (): void => {
    const text = readFileSync(control.rootFile, 'utf8');
    for (const { folder } of folders) {
      if (roots.get(folder) === text) continue;
      replacePrivateFile(join(folder, 'root-cert.pem'), text);
      roots.set(folder, text);
    }
  };
  try {
    root();
    await tokens();
  } catch (cause) {
    await control.close();
    throw cause;
  }
  const said = (cause: unknown): void => warning(`--workload: ${messageOf(cause)}; what stands there stays`);
  const timers = [
    setInterval(() => void tokens().catch(said), TOKEN_REFRESH_MS),
    setInterval(() => {
      try {
        root();
      } catch (cause) {
        said(cause);
      }
    }, ROOT_LOOK_MS),
  ];
  return () => {
    for (const timer of timers) clearInterval(timer);
  };
}

function identityOf({ namespace, serviceAccount }: WorkloadFolder, trustDomain: string): SpiffeId {
  const identity = workloadSpiffeId(trustDomain, namespace, serviceAccount);
  if (identity === undefined) throw new Error(`${namespace}/${serviceAccount} is no identity of ${trustDomain}`);
  return identity;
}
