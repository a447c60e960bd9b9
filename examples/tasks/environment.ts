// The variables by which the pages of the tasks call things.
import type { TaskMesh } from './task-mesh.ts';
import type { Task } from './task.ts';

/** One instance of each service; of reviews one that asks ratings. */
const BOOKINFO = ['productpage-v1', 'details-v1', 'reviews-v2', 'ratings-v1'];

type Variable = [name: string, value: string, isThere: boolean];

/** What the pages of the tasks call things. */
export function environment(mesh: TaskMesh, { needs }: Task): readonly (readonly [name: string, value: string])[] {
  const client = mesh.workload('client');
  const gateway = `http://127.0.0.1:${mesh.gatewayPort}`;
  const all: Variable[] = [
    ['MESH', mesh.meshDir, true],
    ['LOGS', `${mesh.folder}/logs`, true],
    ['GATEWAY', gateway, needs.includes('gateway')],
    ['GATEWAY_TLS', `127.0.0.1:${mesh.gatewayTlsPort}`, needs.includes('gateway') && needs.includes('web')],
    ['TLS', mesh.tlsDir, needs.includes('outside') || (needs.includes('gateway') && needs.includes('web'))],
    ['PAGE', `${gateway}/api/v1/products/0`, needs.includes('bookinfo')],
    ['CLIENT', mesh.sidecarUrl(client), needs.includes('client')],
    ['WEB', mesh.sidecarUrl(mesh.workload('web-v1')), needs.includes('web')],
    ['EGRESS_ADMIN', mesh.adminUrl(mesh.workload('egressgateway')), needs.includes('egress')],
    ['ADMIN', mesh.adminUrl(client), needs.includes('client')],
    ...BOOKINFO.flatMap((name): Variable[] => {
      const workload = mesh.workload(name);
      const variable = workload.app.toUpperCase();
      const { ip, inboundPort } = workload.pod;
      const isThere = needs.includes('bookinfo');
      return [
        [variable, mesh.sidecarUrl(workload), isThere], [`PLAIN_${variable}`, `${ip}:${inboundPort}`, isThere],
        [`${variable}_ADMIN`, mesh.adminUrl(workload), isThere],
      ];
    }),
    ['WEB_V2', mesh.applicationUrl(mesh.workload('web-v2')), needs.includes('web')],
    ['NORTH_A', mesh.applicationUrl(mesh.workload('hello-north-a')), needs.includes('hello')],
  ];
  return all.filter(([, , isThere]) => isThere).map(([name, value]) => [name, value]);
}
