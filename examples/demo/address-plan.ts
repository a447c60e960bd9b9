// Where each workload of the demo lives: an address of its own out of 127/8,
// or ports on 127.0.0.1 where there is only that.
import { canBind, freePorts } from './free-ports.ts';

/**
 * A workload's "pod": the sidecar takes `inbound` from the mesh and gives to `app`;
 * the application calls out by `outbound`. Where connections are redirected, only who asks as the pod uses that.
 */
export interface PodAddress {
  readonly ip: string;
  readonly inboundPort: number;
  readonly appPort: number;
  readonly outboundPort: number;
  readonly adminPort: number;
  /** Its network namespace, where it has one: then all connections of its application are redirected. */
  readonly namespace?: string;
}

const INBOUND = 9080;
const APP = 19_080;
const OUTBOUND = 15_001;
const ADMIN = 15_000;

/** Plans `count` pods that nothing else uses. */
export async function planPods(count: number, seed: number): Promise<PodAddress[]> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const network = `127.${64 + ((seed + attempt) % 128)}.${Math.trunc(seed / 128) % 250}`;
    if (!(await canBind(`${network}.1`, ADMIN))) continue;
    return Array.from({ length: count }, (_, i) => ({
      ip: `${network}.${i + 1}`, inboundPort: INBOUND, appPort: APP, outboundPort: OUTBOUND, adminPort: ADMIN,
    }));
  }
  return planByPorts(count);
}

/** Only 127.0.0.1 can be bound (macOS): every pod gets four ports. */
async function planByPorts(count: number): Promise<PodAddress[]> {
  const ports = await freePorts(count * 4);
  return Array.from({ length: count }, (_, i) => ({
    ip: '127.0.0.1', inboundPort: ports[i * 4]!, appPort: ports[i * 4 + 1]!, outboundPort: ports[i * 4 + 2]!,
    adminPort: ports[i * 4 + 3]!,
  }));
}
