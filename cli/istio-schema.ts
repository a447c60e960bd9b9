// Configuration of the Istio proxy's own filters, whose .proto files are in no npm package.
import type protobuf from 'protobufjs';

const DIMENSIONS: protobuf.IMapField = { keyType: 'string', type: 'string', id: 1 };

/** Configuration of Istio's stats filter, whose .proto is in no npm package: names and numbers of its fields. */
export const ISTIO_STATS = {
  nested: {
    MetricType: { values: { COUNTER: 0, GAUGE: 1, HISTOGRAM: 2 } },
    Reporter: { values: { UNSPECIFIED: 0, SERVER_GATEWAY: 1 } },
    MetricConfig: {
      fields: {
        dimensions: DIMENSIONS,
        name: { type: 'string', id: 2 },
        tagsToRemove: { rule: 'repeated', type: 'string', id: 3 },
        match: { type: 'string', id: 4 },
        drop: { type: 'bool', id: 5 },
      },
    },
    MetricDefinition: {
      fields: {
        name: { type: 'string', id: 1 },
        value: { type: 'string', id: 2 },
        type: { type: 'MetricType', id: 3 },
      },
    },
    PluginConfig: {
      fields: {
        disableHostHeaderFallback: { type: 'bool', id: 6 },
        tcpReportingDuration: { type: 'google.protobuf.Duration', id: 7 },
        metrics: { rule: 'repeated', type: 'MetricConfig', id: 8 },
        definitions: { rule: 'repeated', type: 'MetricDefinition', id: 9 },
        reporter: { type: 'Reporter', id: 10 },
        rotationInterval: { type: 'google.protobuf.Duration', id: 11 },
        gracefulDeletionInterval: { type: 'google.protobuf.Duration', id: 12 },
      },
    },
  },
} satisfies protobuf.INamespace;

/** Of Istio's ALPN filter, likewise. */
export const ISTIO_ALPN = {
  nested: {
    FilterConfig: {
      nested: {
        Protocol: { values: { HTTP10: 0, HTTP11: 1, HTTP2: 2 } },
        AlpnOverride: {
          fields: {
            upstreamProtocol: { type: 'Protocol', id: 1 },
            alpnOverride: { rule: 'repeated', type: 'string', id: 2 },
          },
        },
      },
      fields: { alpnOverride: { rule: 'repeated', type: 'AlpnOverride', id: 1 } },
    },
  },
} satisfies protobuf.INamespace;

const DISCOVERY = { rule: 'repeated', type: 'DiscoveryMethod' } as const;
const PROPAGATION = { rule: 'repeated', type: 'PropagationMethod' } as const;

/** Of Istio's peer metadata filter, likewise. */
export const PEER_METADATA = {
  nested: {
    Config: {
      nested: {
        Baggage: { fields: {} },
        WorkloadDiscovery: { fields: {} },
        IstioHeaders: { fields: { skipExternalClusters: { type: 'bool', id: 1 } } },
        DiscoveryMethod: {
          oneofs: { methodSpecifier: { oneof: ['baggage', 'workloadDiscovery', 'istioHeaders'] } },
          fields: {
            baggage: { type: 'Baggage', id: 1 },
            workloadDiscovery: { type: 'WorkloadDiscovery', id: 2 },
            istioHeaders: { type: 'IstioHeaders', id: 3 },
          },
        },
        PropagationMethod: { fields: { istioHeaders: { type: 'IstioHeaders', id: 1 } } },
      },
      fields: {
        downstreamDiscovery: { ...DISCOVERY, id: 1 },
        upstreamDiscovery: { ...DISCOVERY, id: 2 },
        downstreamPropagation: { ...PROPAGATION, id: 3 },
        upstreamPropagation: { ...PROPAGATION, id: 4 },
        sharedWithUpstream: { type: 'bool', id: 5 },
        additionalLabels: { rule: 'repeated', type: 'string', id: 6 },
      },
    },
  },
} satisfies protobuf.INamespace;
