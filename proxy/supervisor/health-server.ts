// What probes ask, at an address of its own (Istio's port is 15021): whether this proxy is ready, and why not.
import type { AdminRequest, AdminResponse } from '../admin/admin-response.ts';
import { text } from '../admin/admin-response.ts';
import { AdminServer } from '../admin/admin-server.ts';
import type { HostPort } from '../base/host-port.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import { LIFECYCLE } from './lifecycle-config.ts';
import type { Readiness } from './readiness.ts';

/** GET /healthz/ready: 200, or 503 with a line for each reason; /healthz/live: 200. Rejects with a ConfigError. */
export function startHealthServer(
  { host, port }: HostPort, readiness: Readiness, log: ComponentLog,
): Promise<AdminServer> {
  const address = { socketAddress: { address: host, portValue: port } };
  return AdminServer.start(address, async (request) => answer(request, readiness), log, {
    publicAt: `${LIFECYCLE}.health`,
  });
}

function answer({ method, path }: AdminRequest, readiness: Readiness): AdminResponse {
  if (method !== 'GET' && method !== 'HEAD') return text('only GET here\n', 405);
  if (path === '/healthz/ready') return readiness.answer();
  return path === '/healthz/live' ? text('live\n') : text('/healthz/ready and /healthz/live are here\n', 404);
}
