// An xDS peer that shares no code with ours: grpc-js with @grpc/proto-loader's decoding of the original .proto files.
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, Server, ServerCredentials } from '@grpc/grpc-js';
import type { Client, ClientDuplexStream, GrpcObject, ServerDuplexStream, ServiceClientConstructor }
  from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { MessageTypeDefinition, PackageDefinition } from '@grpc/proto-loader';

const DEPS = fileURLToPath(new URL('../../node_modules/@grpc/grpc-js-xds/deps/', import.meta.url));
const INCLUDES = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((name) => `${DEPS}${name}`);
const ADS = 'envoy.service.discovery.v3.AggregatedDiscoveryService';
const SDS = 'envoy.service.secret.v3.SecretDiscoveryService';

const FILES = [
  'envoy/service/discovery/v3/ads.proto',
  'envoy/service/secret/v3/sds.proto',
  'envoy/config/cluster/v3/cluster.proto',
  'envoy/config/endpoint/v3/endpoint.proto',
  'envoy/config/listener/v3/listener.proto',
  'envoy/config/route/v3/route.proto',
  'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
  'envoy/extensions/filters/http/on_demand/v3/on_demand.proto',
  'envoy/extensions/filters/http/router/v3/router.proto',
  'envoy/extensions/transport_sockets/tls/v3/secret.proto',
];

/** Messages in proto-loader's form: snake_case keys. */
export type Raw = Record<string, unknown>;

export interface RawAny {
  readonly type_url: string;
  readonly value: Buffer;
}

export interface RawDeltaRequest {
  readonly node: { readonly id: string; readonly user_agent_name: string } | null;
  readonly type_url: string;
  readonly resource_names_subscribe: string[];
  readonly resource_names_unsubscribe: string[];
  readonly initial_resource_versions: Record<string, string>;
  readonly response_nonce: string;
  readonly error_detail: { readonly code: number; readonly message: string } | null;
}

export interface RawDeltaResponse {
  readonly system_version_info: string;
  readonly resources: { readonly name: string; readonly version: string; readonly resource: RawAny }[];
  readonly type_url: string;
  readonly removed_resources: string[];
  readonly nonce: string;
}

/** The definitions, loaded once a test file. */
export class RawXds {
  readonly #definition: PackageDefinition;
  readonly #packages: GrpcObject;

  constructor() {
    const options = { includeDirs: INCLUDES, keepCase: true, enums: String, longs: Number, defaults: true };
    this.#definition = loadSync(FILES, options);
    this.#packages = loadPackageDefinition(this.#definition);
  }

  service(name: string): ServiceClientConstructor {
    let found: unknown = this.#packages;
    for (const part of name.split('.')) found = (found as GrpcObject)[part];
    return found as ServiceClientConstructor;
  }

  /** `envoy.config.cluster.v3.Cluster` and its fields in snake_case. */
  any(typeName: string, fields: Raw): RawAny {
    const type = this.#definition[typeName] as MessageTypeDefinition<object, object>;
    return { type_url: `type.googleapis.com/${typeName}`, value: type.serialize(fields) };
  }

  decode(any: RawAny): Raw {
    const name = any.type_url.slice(any.type_url.lastIndexOf('/') + 1);
    const type = this.#definition[name] as MessageTypeDefinition<object, object>;
    return type.deserialize(any.value) as Raw;
  }
}

/** Messages that came, to be awaited one after the other. */
export class Arrivals<T> {
  readonly #arrived: T[] = [];
  readonly #waiting: ((value: T) => void)[] = [];

  push(value: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#arrived.push(value);
    else waiting(value);
  }

  /** How many came and were not taken. */
  get size(): number {
    return this.#arrived.length;
  }

  next(): Promise<T> {
    const first = this.#arrived.shift();
    return first === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(first);
  }

  /** Drops what came and was not taken. */
  clear(): void {
    this.#arrived.length = 0;
  }

  /** The next one that fits; what comes before it is kept in order. */
  async find(fits: (value: T) => boolean): Promise<T> {
    const kept: T[] = [];
    for (;;) {
      const value = await this.next();
      if (fits(value)) {
        this.#arrived.unshift(...kept);
        return value;
      }
      kept.push(value);
    }
  }
}

/** One client's stream, as the raw server has it. */
export class RawServerStream {
  readonly requests = new Arrivals<RawDeltaRequest>();
  readonly #call: ServerDuplexStream<RawDeltaRequest, RawDeltaResponse>;
  #nonces = 0;

  constructor(call: ServerDuplexStream<RawDeltaRequest, RawDeltaResponse>) {
    this.#call = call;
    call.on('data', (request: RawDeltaRequest) => this.requests.push(request));
    call.on('error', () => undefined);
    call.on('end', () => call.end());
  }

  /** Sends a response and returns its nonce. */
  send(response: Partial<RawDeltaResponse>): string {
    const nonce = `n${++this.#nonces}`;
    this.#call.write({ nonce, ...response } as RawDeltaResponse);
    return nonce;
  }

  /** Sends resources of one type by name, all of the same version. */
  sendResources(version: string, named: Record<string, RawAny>, removed: string[] = [], typeUrl?: string): string {
    const resources = Object.entries(named).map(([name, resource]) => ({ name, version, resource }));
    const type = typeUrl ?? resources[0]?.resource.type_url ?? '';
    return this.send({ type_url: type, resources, removed_resources: removed });
  }

  answerTo(nonce: string): Promise<RawDeltaRequest> {
    return this.requests.find(({ response_nonce: answered }) => answered === nonce);
  }

  asksFor(type: string): Promise<RawDeltaRequest> {
    return this.requests.find((request) => request.type_url.endsWith(type) && request.response_nonce === '');
  }

  end(): void {
    this.#call.end();
  }
}

/** A management server that says exactly what a test tells it to. */
export class RawXdsServer implements AsyncDisposable {
  readonly streams = new Arrivals<RawServerStream>();
  readonly sotwStreams = new Arrivals<ServerDuplexStream<Raw, Raw>>();
  #server = new Server();
  readonly #xds: RawXds;
  #credentials: ServerCredentials;
  port = 0;

  constructor(xds: RawXds, serverCredentials = ServerCredentials.createInsecure()) {
    this.#xds = xds;
    this.#credentials = serverCredentials;
  }

  /** On the port of last time, if it listened before. */
  async listen(): Promise<void> {
    this.#server = new Server();
    const onDelta = (call: ServerDuplexStream<RawDeltaRequest, RawDeltaResponse>): void => {
      this.streams.push(new RawServerStream(call));
    };
    const onSotw = (call: ServerDuplexStream<Raw, Raw>): void => this.sotwStreams.push(call);
    const aggregated = { DeltaAggregatedResources: onDelta, StreamAggregatedResources: onSotw };
    this.#server.addService(this.#xds.service(ADS).service, aggregated);
    this.#server.addService(this.#xds.service(SDS).service, { DeltaSecrets: onDelta, StreamSecrets: onSotw });
    this.port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${this.port}`, this.#credentials, (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
  }

  /** Cuts every connection, as a crash does. */
  kill(): void {
    this.#server.forceShutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await Promise.resolve();
  }
}

/** How a call ended. */
export interface CallEnd {
  readonly code?: number;
  readonly details?: string;
}

/** A client that says exactly what a test tells it to, by either method of ADS. */
export class RawAdsCall<Response extends { readonly type_url: string }> implements Disposable {
  readonly responses = new Arrivals<Response>();
  readonly ended: Promise<CallEnd>;
  readonly #client: Client;
  readonly #call: ClientDuplexStream<object, Response>;

  constructor(xds: RawXds, address: string, method: 'DeltaAggregatedResources' | 'StreamAggregatedResources') {
    const service = xds.service(ADS);
    // A connection of its own, as each proxy has.
    const options = { 'grpc.use_local_subchannel_pool': 1 };
    this.#client = new service(address, credentials.createInsecure(), options) as unknown as Client;
    const methods = this.#client as unknown as Record<string, () => ClientDuplexStream<object, Response>>;
    this.#call = methods[method]!.call(this.#client);
    this.#call.on('data', (response: Response) => this.responses.push(response));
    this.ended = new Promise((resolve) => {
      this.#call.on('error', (error) => resolve(error as CallEnd));
      this.#call.on('end', () => resolve({}));
    });
  }

  send(request: Raw): void {
    this.#call.write(request);
  }

  /** The next response of a type (`Cluster`); others are kept. */
  next(type: string): Promise<Response> {
    return this.responses.find(({ type_url: url }) => url.endsWith(type));
  }

  [Symbol.dispose](): void {
    this.#call.cancel();
    this.#client.close();
  }
}

export class RawXdsClient extends RawAdsCall<RawDeltaResponse> {
  constructor(xds: RawXds, address: string) {
    super(xds, address, 'DeltaAggregatedResources');
  }

  ack(response: RawDeltaResponse): void {
    this.send({ type_url: response.type_url, response_nonce: response.nonce });
  }
}
