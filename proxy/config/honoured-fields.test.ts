// Holds the promise that no configuration field is silently ignored: what is declared as a field is read somewhere.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { MessageNode, Schema } from './schema.ts';

const PROXY = fileURLToPath(new URL('..', import.meta.url));

/** Fields that nobody needs to read, with the reason. Messages by their short name. */
const WITHOUT_READER: Readonly<Record<string, string>> = {
  'AccessLogFilter.notHealthCheckFilter': 'there are no health check requests: everything passes',
  'RuntimeFilter.runtimeKey': 'required by Envoy; there is no runtime',
  'ConfigSource.resourceApiVersion': 'V3 is the only one that is admitted',
  'ApiConfigSource.transportApiVersion': 'V3 is the only one that is admitted',
  'ExtAuthz.transportApiVersion': 'V3 is the only one that is admitted',
  'RateLimitServiceConfig.transportApiVersion': 'V3 is the only one that is admitted',
  'RingHash.hashFunction': 'XX_HASH is the only value that is admitted',
  'RingHashLbConfig.hashFunction': 'XX_HASH is the only value that is admitted',
  'HealthCheck.tcpHealthCheck': 'it has no settings, and is what is left where there is no other',
  'DownstreamTlsContext.ocspStaplePolicy': 'LENIENT_STAPLING is the only value that is admitted',
  'CertificateValidationContext.trustChainVerification': 'VERIFY_TRUST_CHAIN is the only value that is admitted',
  'TcpProxy.upstreamConnectMode': 'IMMEDIATE is the only value that is admitted',
  'SourcedMetadata.metadataSource': 'DYNAMIC is the only value that is admitted',
  'HttpConnectionManager.codecType': 'HTTP/1 is the only codec',
  'PluginConfig.disableHostHeaderFallback': 'a client never names the destination service (S88)',
  'ZipkinConfig.collectorEndpointVersion': 'HTTP_JSON is the only value that is admitted',
  'DownstreamTlsContext.disableStatefulSessionResumption': 'sessions are resumed by tickets only',
  'Bootstrap.bootstrapExtensions': 'each that is admitted is left out with its reason',
  'ListenerFilterChainMatchPredicate.anyMatch': 'it has no settings, and is what is left where there is no other',
  'Cluster.respectDnsTtl': 'the system\'s resolver tells no TTL; the description says so',
  'RouteConfiguration.validateClusters': 'read by bootstrap-references.ts',
};

test('every field that is declared as honoured is read by the data plane', async () => {
  const unread: string[] = [];
  const sources = globSync('**/*.ts', { cwd: PROXY, exclude: ['config/**', '**/*.test.ts'] })
    .map((file) => readFileSync(join(PROXY, file), 'utf8')).join('\n');
  const words = new Set(sources.match(/[A-Za-z_$][A-Za-z0-9_$]*/g));
  for (const node of await declaredMessages()) {
    for (const key of node.fields.keys()) {
      const name = `${node.name.slice(node.name.lastIndexOf('.') + 1)}.${key}`;
      if (!words.has(key) && WITHOUT_READER[name] === undefined) unread.push(`${node.name}.${key}`);
    }
  }
  assert.deepEqual(unread, [], 'honour it, or declare it as warned or refused with the reason');
});

async function declaredMessages(): Promise<ReadonlySet<MessageNode>> {
  const messages = new Set<MessageNode>();
  for (const file of globSync('config/*.ts', { cwd: PROXY, exclude: ['**/*.test.ts', 'config/wire*.ts'] })) {
    const exports = await import(pathToFileURL(join(PROXY, file)).href) as Record<string, unknown>;
    for (const value of Object.values(exports)) if (isSchema(value)) collect(value, messages);
  }
  return messages;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && '~node' in value;
}

function collect(schema: Schema, into: Set<MessageNode>): void {
  const node = schema['~node'];
  if (node.kind === 'list') collect(node.item, into);
  else if (node.kind === 'map') collect(node.value, into);
  else if (node.kind === 'recursive') collect(node.target(), into);
  else if (node.kind === 'any') for (const message of node.messages.values()) collect(message, into);
  else if (node.kind === 'message' && !into.has(node)) {
    into.add(node);
    for (const { schema: child } of node.fields.values()) collect(child, into);
  }
}
