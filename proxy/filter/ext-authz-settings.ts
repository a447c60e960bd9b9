// The ext_authz filter's configuration, compiled: which requests are judged, what is told of them, what errors become.
import type { StringMatch } from '../base/string-match.ts';
import { compileStringMatch } from '../base/string-match.ts';
import { wireText } from '../base/ascii.ts';
import { msOr } from '../config/duration.ts';
import type { ExtAuthz, HttpService } from '../config/external-authorization.ts';
import { STATUS_CODES } from '../config/http-status.ts';
import type { ListStringMatcher } from '../config/matcher.ts';
import { fractionOf } from '../route/fraction.ts';
import { compileRequestHeaders } from '../route/header-operations.ts';
import type { HeaderOperations } from '../route/route-entry.ts';
import { MetadataCondition } from '../telemetry/metadata-condition.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import type { NodeFacts } from '../telemetry/workload.ts';
import { bodyWish } from './ext-authz-per-route.ts';
import type { BodyWish } from './ext-authz-per-route.ts';
import type { LocalReply } from './filter.ts';
import type { GrpcCallTarget } from './grpc-call.ts';

const CHECK = '/envoy.service.auth.v3.Authorization/Check';
const GRPC_TIMEOUT_MS = 200;
const FORBIDDEN = 403;

/** Names that match any of several matchers; undefined where there are none. */
export class NameSet {
  readonly #matches: readonly StringMatch[];

  /** Throws ConfigError below `path`. */
  constructor({ patterns }: ListStringMatcher, path: string) {
    this.#matches = patterns.map((pattern, i) => compileStringMatch(pattern, `${path}.patterns[${i}]`));
  }

  has(name: string): boolean {
    for (const match of this.#matches) if (match.matches(name)) return true;
    return false;
  }
}

function namesOf(matcher: ListStringMatcher | undefined, path: string): NameSet | undefined {
  return matcher === undefined ? undefined : new NameSet(matcher, path);
}

/** A service that speaks gRPC. */
export interface GrpcTarget extends GrpcCallTarget {
  readonly kind: 'grpc';
  readonly cluster: string;
  readonly metadata: HeaderOperations | undefined;
}

/** A service that speaks plain HTTP, and which headers of its answers count. */
export interface HttpTarget {
  readonly kind: 'http';
  readonly cluster: string;
  readonly authority: string;
  readonly timeoutMs: number;
  readonly pathPrefix: string;
  readonly pathOverride: string;
  readonly headersToAdd: HeaderOperations | undefined;
  readonly upstream: NameSet | undefined;
  readonly upstreamToAppend: NameSet | undefined;
  readonly client: NameSet | undefined;
  readonly clientOnSuccess: NameSet | undefined;
  readonly metadata: NameSet | undefined;
}

export class ExtAuthzSettings {
  readonly target: GrpcTarget | HttpTarget;
  readonly allowed: NameSet | undefined;
  readonly disallowed: NameSet | undefined;
  readonly rawHeaders: boolean;
  readonly body: BodyWish | undefined;
  readonly failsOpen: boolean;
  readonly tellsFailure: boolean;
  readonly clearsRoute: boolean;
  readonly validates: boolean;
  readonly enabledShare: number;
  readonly enabledWhere: MetadataCondition | undefined;
  readonly deniesUnjudged: boolean;
  readonly contextNamespaces: readonly string[];
  readonly tellsCertificate: boolean;
  readonly tellsServerName: boolean;
  readonly takesMetadata: boolean;
  readonly chargesCluster: boolean;
  readonly bodyCharactersMax: number;
  /** [name, value, …] of the destination. */
  readonly labels: readonly string[];
  readonly errorReply: LocalReply;
  readonly invalidReply: LocalReply;

  /** Throws ConfigError below `path`. */
  constructor(config: ExtAuthz, node: NodeFacts, path: string) {
    const { httpService, filterEnabledMetadata: where } = config;
    this.target = httpService === undefined ? grpcTarget(config, path) : httpTarget(httpService, `${path}.httpService`);
    this.allowed = namesOf(config.allowedHeaders, `${path}.allowedHeaders`);
    this.disallowed = namesOf(config.disallowedHeaders, `${path}.disallowedHeaders`);
    this.rawHeaders = config.encodeRawHeaders ?? false;
    this.body = bodyWish(config.withRequestBody);
    this.failsOpen = config.failureModeAllow ?? false;
    this.tellsFailure = config.failureModeAllowHeaderAdd ?? false;
    this.clearsRoute = config.clearRouteCache ?? false;
    this.validates = config.validateMutations ?? false;
    this.enabledShare = config.filterEnabled === undefined ? 1 : fractionOf(config.filterEnabled.defaultValue);
    this.enabledWhere = where === undefined ? undefined : new MetadataCondition(where, `${path}.filterEnabledMetadata`);
    this.deniesUnjudged = config.denyAtDisable?.defaultValue ?? false;
    this.contextNamespaces = config.metadataContextNamespaces ?? [];
    this.tellsCertificate = config.includePeerCertificate ?? false;
    this.tellsServerName = config.includeTlsSession ?? false;
    this.takesMetadata = config.enableDynamicMetadataIngestion ?? true;
    this.chargesCluster = config.chargeClusterResponseStats ?? true;
    this.bodyCharactersMax = config.maxDeniedResponseBodyBytes || Infinity;
    this.labels = labelsOf(node.metadata[config.bootstrapMetadataLabelsKey ?? '']);
    const status = config.statusOnError === undefined ? FORBIDDEN : STATUS_CODES[config.statusOnError.code];
    this.errorReply = { status, body: '', detail: 'ext_authz_error', flags: flagBit('UAEX') };
    this.invalidReply = { status: 500, body: '', detail: 'ext_authz_invalid', flags: flagBit('UAEX') };
  }
}

function grpcTarget({ grpcService }: ExtAuthz, path: string): GrpcTarget {
  const { envoyGrpc, timeout, initialMetadata = [] } = grpcService!;
  const cluster = envoyGrpc?.clusterName ?? '';
  return {
    kind: 'grpc', cluster, path: CHECK, authority: envoyGrpc?.authority ?? cluster,
    timeoutMs: msOr(timeout, GRPC_TIMEOUT_MS),
    metadata: compileRequestHeaders({ requestHeadersToAdd: initialMetadata.map((header) => ({ header })) },
      `${path}.grpcService`),
  };
}

function httpTarget(config: HttpService, path: string): HttpTarget {
  const { serverUri, authorizationRequest, authorizationResponse: answer = {} } = config;
  const add = (authorizationRequest?.headersToAdd ?? []).map((header) =>
    ({ header, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' as const }));
  const at = `${path}.authorizationResponse`;
  return {
    kind: 'http', cluster: serverUri.cluster, authority: hostOf(serverUri.uri),
    timeoutMs: msOr(serverUri.timeout, GRPC_TIMEOUT_MS),
    pathPrefix: wireText(config.pathPrefix ?? ''), pathOverride: wireText(config.pathOverride ?? ''),
    headersToAdd: compileRequestHeaders({ requestHeadersToAdd: add }, `${path}.authorizationRequest`),
    upstream: namesOf(answer.allowedUpstreamHeaders, `${at}.allowedUpstreamHeaders`),
    upstreamToAppend: namesOf(answer.allowedUpstreamHeadersToAppend, `${at}.allowedUpstreamHeadersToAppend`),
    client: namesOf(answer.allowedClientHeaders, `${at}.allowedClientHeaders`),
    clientOnSuccess: namesOf(answer.allowedClientHeadersOnSuccess, `${at}.allowedClientHeadersOnSuccess`),
    metadata: namesOf(answer.dynamicMetadataFromHeaders, `${at}.dynamicMetadataFromHeaders`),
  };
}

/** What stands between `//` and the path. */
function hostOf(uri: string): string {
  const start = uri.indexOf('//');
  const rest = start === -1 ? uri : uri.slice(start + 2);
  const slash = rest.indexOf('/');
  return slash === -1 ? rest : rest.slice(0, slash);
}

function labelsOf(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, label]) => (typeof label === 'string' ? [name, label] : []));
}
