// /ready, /server_info, /memory, /init_dump and /listeners: the state of the process.
import { joinHostPort } from '../base/host-port.ts';
import type { AdminResponse } from './admin-response.ts';
import { json, text } from './admin-response.ts';
import type { AdminSource } from './admin-source.ts';

/** 200 LIVE, or 503 with the state that keeps the proxy from being ready, and why it has it, a line each. */
export function readyResponse(source: AdminSource): AdminResponse {
  const reasons = source.waitingFor();
  const lines = reasons.map((reason) => `- ${reason}\n`).join('');
  return text(`${source.state()}\n${lines}`, reasons.length === 0 ? 200 : 503);
}

export function serverInfoResponse(source: AdminSource): AdminResponse {
  const { node, options, concurrency, version, clock, startedWallMs } = source;
  const uptime = `${Math.max(0, Math.floor((clock.wallMs() - startedWallMs) / 1000))}s`;
  return json({
    version: `weft/${version}/node-${process.versions.node}`,
    state: source.state(),
    hot_restart_version: 'disabled',
    command_line_options: { concurrency, ...options },
    node: { id: node.id, cluster: node.cluster, metadata: node.metadata, user_agent_name: 'weft' },
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
  });
}

/** Bytes as texts, as Envoy has them; of the whole process, workers included. */
export function memoryResponse(): AdminResponse {
  const { heapUsed, heapTotal, external, rss } = process.memoryUsage();
  return json({
    allocated: String(heapUsed + external), heap_size: String(heapTotal), total_physical_bytes: String(rss),
  });
}

export function initDumpResponse(source: AdminSource): AdminResponse {
  const waiting = source.waitingFor();
  return json({ unready_targets_dumps: waiting.map((name) => ({ name, target_names: [name] })) });
}

export function listenersResponse(source: AdminSource, query: URLSearchParams): AdminResponse {
  const listeners = source.listeners();
  if (query.get('format') !== 'json') {
    return text(listeners.map(({ name, address, port }) => `${name}::${joinHostPort(address, port)}\n`).join(''));
  }
  return json({
    listener_statuses: listeners.map(({ name, address, port }) => {
      return { name, local_address: { socket_address: { address, port_value: port } } };
    }),
  });
}
