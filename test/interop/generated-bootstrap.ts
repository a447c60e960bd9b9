// A bootstrap of generated tables, one listener each, run by weft and by Envoy side by side.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ScriptedUpstreams } from '../harness/scripted-upstreams.ts';
import { KEY_HEADER } from '../harness/scripted-upstreams.ts';
import { SideBySide } from '../harness/side-by-side.ts';
import { LIVE_CLUSTERS, NAMED_CLUSTER, UPSTREAMS } from './generated-clusters.ts';
import type { GeneratedTable } from './generated-tables.ts';

const EXTENSIONS = 'type.googleapis.com/envoy.extensions';
const FIRST_LISTENER = 18_100;
/** A log line: the request's key, then what is compared. */
const LOG_LINE = [`%REQ(${KEY_HEADER})%`, '%RESPONSE_CODE%', '%RESPONSE_FLAGS%', '%RESPONSE_CODE_DETAILS%',
  '%ROUTE_NAME%',
  '%UPSTREAM_CLUSTER%', '%UPSTREAM_REQUEST_ATTEMPT_COUNT%', '%REQ(:PATH)%', '%REQ(:AUTHORITY)%'].join('\t');

/** The port of the table's listener in the file. */
export function listenerOf(table: number): number {
  return FIRST_LISTENER + table;
}

/** Both proxies with a listener for each table. */
export async function startTables(
  envoy: string, tables: readonly GeneratedTable[], upstreams: ScriptedUpstreams,
): Promise<SideBySide> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-tables-'));
  const file = join(folder, 'tables.json');
  try {
    await writeFile(file, JSON.stringify(bootstrapOf(tables, upstreams)));
    const plan = { own: tables.map((_, i) => listenerOf(i)), shared: new Map<number, number>(),
      listener: listenerOf(0) };
    const edit = (text: string): string => text.replaceAll('"path":"/dev/stdout"', 'path: /dev/stdout');
    return await SideBySide.start(envoy, file, plan, edit);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function bootstrapOf(tables: readonly GeneratedTable[], upstreams: ScriptedUpstreams): unknown {
  return {
    staticResources: {
      listeners: tables.map((table, i) => ({
        name: `table-${i}`, address: address(listenerOf(i)), filterChains: [{ name: 'chain',
          filters: [manager(table)] }],
      })),
      clusters: [
        ...UPSTREAMS.map((name) => cluster(name, upstreams.portOf(name))), cluster('refusing', 1), cluster('empty'),
        named(upstreams),
      ],
    },
  };
}

function manager(table: GeneratedTable): unknown {
  return {
    name: 'http',
    typedConfig: {
      '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      statPrefix: 'tables', ...table.manager, routeConfig: table.routes,
      httpFilters: [
        { name: 'fault', typedConfig: { '@type': `${EXTENSIONS}.filters.http.fault.v3.HTTPFault` } },
        { name: 'cors', typedConfig: { '@type': `${EXTENSIONS}.filters.http.cors.v3.Cors` } },
        { name: 'router', typedConfig: { '@type': `${EXTENSIONS}.filters.http.router.v3.Router`,
          ...table.router } },
      ],
      accessLog: [{ name: 'log', typedConfig: {
        '@type': `${EXTENSIONS}.access_loggers.file.v3.FileAccessLog`, path: '/dev/stdout',
        logFormat: { textFormatSource: { inlineString: `${LOG_LINE}\n` } },
      } }],
    },
  };
}

function cluster(name: string, port?: number): unknown {
  const hostname = LIVE_CLUSTERS.some((live) => live === name) ? { hostname: `${name}.internal` } : {};
  return clusterOf(name, port === undefined ? [] : [{ ...hostname, address: address(port) }]);
}

function named(upstreams: ScriptedUpstreams): unknown {
  const endpoints = ['c1', 'c2'].map((name) => (
    { hostname: `${name}.named`, address: address(upstreams.portOf(name)) }));
  return { ...clusterOf(NAMED_CLUSTER, endpoints), lbPolicy: 'RING_HASH' };
}

function clusterOf(name: string, endpoints: readonly unknown[]): object {
  return {
    name, type: 'STATIC', connectTimeout: '2s', loadAssignment: { clusterName: name,
      endpoints: [{ lbEndpoints: endpoints.map((endpoint) => ({ endpoint })) }] },
    circuitBreakers: { thresholds: [{ maxRetries: 1000 }] },
  };
}

function address(port: number): unknown {
  return { socketAddress: { address: '127.0.0.1', portValue: port } };
}
