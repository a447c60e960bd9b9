// Who this proxy says it is to management servers.
import type { Node } from '../config/node.ts';
import type { DiscoveryNode } from '../config/discovery.ts';

/** By this name our control plane tells weft from Envoy. */
const USER_AGENT = 'weft';

/** The bootstrap's node with weft's own name and version. */
export function discoveryNode(node: Node, version: string): DiscoveryNode {
  return { ...node, userAgentName: USER_AGENT, userAgentVersion: version };
}
