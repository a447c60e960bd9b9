// Who the selectors of NetworkPolicies mean: workloads with all their addresses, and namespaces with their labels.
import { isIP } from 'node:net';
import type { Inventory } from '../model/inventory.ts';
import { selects, selectsAll, type LabelSelector } from '../model/label-selector.ts';
import type { NetworkPeer } from '../model/network-policy.ts';
import { workloadsOf } from './pod-workload.ts';
import type { Labels, Workload } from './workload.ts';

/** Kubernetes gives it to every namespace. */
const NAME_LABEL = 'kubernetes.io/metadata.name';

export interface PeerWorkload {
  readonly workload: Workload;
  readonly addresses: readonly string[];
}

export class NetworkPeers {
  readonly workloads: readonly PeerWorkload[];
  readonly #namespaces = new Map<string, Labels>();

  constructor(inventory: Inventory) {
    this.workloads = workloadsOf(inventory).all().map((workload) => {
      const pod = inventory.get('Pod', workload.namespace, workload.name);
      const more = (pod?.body.status?.podIPs ?? []).map(({ ip = '' }) => ip);
      const addresses = [...new Set([workload.address, ...more])].filter((address) => isIP(address) !== 0);
      return { workload, addresses };
    });
    for (const { name, labels } of inventory.list('Namespace')) this.#add(name, labels);
    for (const { workload } of this.workloads) this.#add(workload.namespace);
    for (const { namespace } of inventory.list('Service')) this.#add(namespace);
  }

  labelsOf(namespace: string): Labels {
    return this.#namespaces.get(namespace) ?? new Map([[NAME_LABEL, namespace]]);
  }

  /** Namespaces that a peer is about. One that is selected by its name need not be known. */
  namespacesOf({ namespaceSelector }: NetworkPeer, own: string): string[] {
    if (namespaceSelector === undefined) return [own];
    const names = new Set([...this.#namespaces.keys(), ...namesIn(namespaceSelector)]);
    return [...names].filter((name) => selects(namespaceSelector, this.labelsOf(name)));
  }

  /** Whether a peer that is no ipBlock means the workload. */
  isMeant(peer: NetworkPeer, own: string, { namespace, labels }: Pick<Workload, 'namespace' | 'labels'>): boolean {
    const isInside = peer.namespaceSelector === undefined ? namespace === own
      : selects(peer.namespaceSelector, this.labelsOf(namespace));
    return isInside && (selectsAll(peer.podSelector) || selects(peer.podSelector!, labels));
  }

  #add(name: string, labels: Labels = new Map()): void {
    if (this.#namespaces.has(name)) return;
    this.#namespaces.set(name, new Map([...labels, [NAME_LABEL, name]]));
  }
}

/** Made once for an inventory. */
export function networkPeers(inventory: Inventory): NetworkPeers {
  return inventory.derived(makePeers);
}

function makePeers(inventory: Inventory): NetworkPeers {
  return new NetworkPeers(inventory);
}

function namesIn({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string[] {
  const named = matchExpressions.filter(({ key, operator }) => key === NAME_LABEL && operator === 'In');
  return [matchLabels[NAME_LABEL] ?? [], ...named.map(({ values = [] }) => values)].flat();
}
