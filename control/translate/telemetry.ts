// Tracing and access logs of a connection manager, by the Telemetry objects that hold for the workload.
import type { AccessLog } from '../../proxy/config/access-log.ts';
import type { HttpConnectionManager, HttpTracing } from '../../proxy/config/http-connection-manager.ts';
import type { CustomTag as TagConfig } from '../../proxy/config/tracing.ts';
import { FILE_ACCESS_LOG_TYPE, ZIPKIN_TYPE } from '../../proxy/config/type-url.ts';
import type { CustomTag, TelemetrySpec } from '../model/telemetry.ts';
import type { MeshView } from './mesh-view.ts';
import { isFor, isTargeted, selectorOf, type TargetedPolicy } from './policy-target.ts';
import type { ProxyNode } from './proxy-node.ts';
import { ZIPKIN_CLUSTER } from './resource-name.ts';

/** CLIENT is what leaves a workload (gateways too), SERVER what arrives. */
export type TelemetryMode = 'CLIENT' | 'SERVER';

/** Istio's default share of new traces, in percent. */
const SAMPLING_DEFAULT = 1;

type ManagerParts = Pick<HttpConnectionManager, 'tracing' | 'accessLog'>;

export function telemetry(view: MeshView, node: ProxyNode, mode: TelemetryMode): ManagerParts {
  const specs = specsFor(view, node);
  const zipkin = node.zipkin ?? view.settings.zipkin;
  const tracing = zipkin === undefined ? undefined : tracingOf(specs, node, mode);
  const accessLog = accessLogOf(specs, mode);
  return {
    ...(tracing !== undefined && { tracing }),
    ...(accessLog.length > 0 && { accessLog }),
  };
}

/** The logs alone, for connections that are not HTTP. */
export function connectionLogs(
  view: MeshView, node: ProxyNode, mode: TelemetryMode,
): Pick<HttpConnectionManager, 'accessLog'> {
  const accessLog = accessLogOf(specsFor(view, node), mode);
  return accessLog.length > 0 ? { accessLog } : {};
}

/** Mesh, namespace, workload: the later one overrides. Of several at one level the first holds. */
function specsFor(view: MeshView, node: ProxyNode): TelemetrySpec[] {
  const { rootNamespace } = view.settings;
  const all = view.inventory.list('Telemetry');
  const isWhole = (object: TargetedPolicy): boolean => !isTargeted(object) && selectorOf(object).size === 0;
  const whole = (namespace: string) => all.find((object) => object.namespace === namespace && isWhole(object));
  const own = all.find((object) => object.namespace === node.namespace && !isWhole(object) && isFor(view, object, node))
    ?? all.find((object) => isTargeted(object) && isFor(view, object, node));
  return [whole(rootNamespace), node.namespace === rootNamespace ? undefined : whole(node.namespace), own]
    .flatMap((object) => object?.body.spec ?? []);
}

interface Matched {
  readonly match?: { readonly mode?: string };
}

function matches({ match }: Matched, mode: TelemetryMode): boolean {
  return match?.mode === undefined || match.mode === 'CLIENT_AND_SERVER' || match.mode === mode;
}

function tracingOf(specs: readonly TelemetrySpec[], node: ProxyNode, mode: TelemetryMode): HttpTracing | undefined {
  let sampling = SAMPLING_DEFAULT;
  let isOff = false;
  let tags: Readonly<Record<string, CustomTag>> = {};
  for (const tracing of specs.flatMap((spec) => spec.tracing?.filter((entry) => matches(entry, mode)) ?? [])) {
    sampling = tracing.randomSamplingPercentage ?? sampling;
    isOff = tracing.disableSpanReporting ?? isOff;
    tags = tracing.customTags ?? tags;
  }
  if (isOff) return undefined;
  return {
    clientSampling: { value: 100 },
    randomSampling: { value: sampling },
    overallSampling: { value: 100 },
    customTags: [...istioTags(node), ...Object.entries(tags).map(([tag, value]) => customTag(tag, value))],
    provider: {
      name: 'envoy.tracers.zipkin',
      typedConfig: {
        '@type': ZIPKIN_TYPE,
        collectorCluster: ZIPKIN_CLUSTER,
        collectorEndpoint: '/api/v2/spans',
        collectorEndpointVersion: 'HTTP_JSON',
        traceId128bit: true,
        sharedSpanContext: false,
        traceContextOption: 'USE_B3_WITH_W3C_PROPAGATION',
      },
    },
  };
}

/** Tags by which Istio's spans name their workload. */
function istioTags(node: ProxyNode): TagConfig[] {
  const app = node.labels.get('service.istio.io/canonical-name') ?? node.labels.get('app') ?? node.workloadName;
  const revision = node.labels.get('service.istio.io/canonical-revision') ?? node.labels.get('version') ?? 'latest';
  return ([
    ['istio.canonical_revision', revision],
    ['istio.canonical_service', app],
    ['istio.namespace', node.namespace],
  ] as const).map(([tag, value]) => ({ tag, literal: { value } }));
}

function customTag(tag: string, value: CustomTag): TagConfig {
  if (value.literal !== undefined) return { tag, literal: value.literal };
  return value.environment === undefined
    ? { tag, ...(value.header !== undefined && { requestHeader: value.header }) }
    : { tag, environment: value.environment };
}

/** Istio's default line. */
const LOG_FORMAT = '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
  + '%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" '
  + '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" '
  + '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% '
  + '%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% '
  + '%ROUTE_NAME%\n';

/** Off, unless an object turns lines on; the narrowest that speaks of this mode holds. */
function accessLogOf(specs: readonly TelemetrySpec[], mode: TelemetryMode): AccessLog[] {
  let isOn = false;
  for (const entry of specs.flatMap((spec) => spec.accessLogging?.filter((logging) => matches(logging, mode)) ?? [])) {
    isOn = entry.disabled !== true;
  }
  if (!isOn) return [];
  return [{
    name: 'envoy.access_loggers.file',
    typedConfig: {
      '@type': FILE_ACCESS_LOG_TYPE,
      path: '/dev/stdout',
      logFormat: { textFormatSource: { inlineString: LOG_FORMAT } },
    },
  }];
}
