// Envoy's secret discovery service (envoy.service.secret.v3) as gRPC, declared from its messages' fields: as much of
// them as certificates and trust bundles need. Both variants, state of the world and incremental.
import type { ServiceDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs/light.js';

export const SECRET_TYPE_URL = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

/** A secret in PEM: a certificate with its key, or a trust bundle. */
export interface SecretValue {
  readonly name: string;
  readonly certificateChain?: string;
  readonly privateKey?: string;
  readonly trustedCa?: string;
}

/** google.protobuf.Any. */
interface AnyMessage {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** state of the world */
export interface SecretRequest {
  readonly versionInfo: string;
  readonly resourceNames: readonly string[];
  readonly typeUrl: string;
  readonly responseNonce: string;
  readonly errorDetail?: { readonly message: string };
}

export interface SecretResponse {
  readonly versionInfo: string;
  readonly resources: readonly AnyMessage[];
  readonly typeUrl: string;
  readonly nonce: string;
}

/** incremental */
export interface SecretDeltaRequest {
  readonly typeUrl: string;
  readonly resourceNamesSubscribe: readonly string[];
  readonly resourceNamesUnsubscribe: readonly string[];
  readonly responseNonce: string;
  readonly errorDetail?: { readonly message: string };
}

export interface SecretDeltaResponse {
  readonly systemVersionInfo: string;
  readonly resources: readonly { readonly name: string; readonly version: string; readonly resource: AnyMessage }[];
  readonly typeUrl: string;
  readonly nonce: string;
}

const text = (id: number): { id: number; type: string } => ({ id, type: 'string' });
const texts = (id: number): { id: number; type: string; rule: string } => ({ id, type: 'string', rule: 'repeated' });

const root = protobuf.Root.fromJSON({
  nested: {
    Any: { fields: { typeUrl: text(1), value: { id: 2, type: 'bytes' } } },
    Status: { fields: { code: { id: 1, type: 'int32' }, message: text(2) } },
    DataSource: { fields: { inlineBytes: { id: 2, type: 'bytes' }, inlineString: text(3) } },
    TlsCertificate: {
      fields: { certificateChain: { id: 1, type: 'DataSource' }, privateKey: { id: 2, type: 'DataSource' } },
    },
    ValidationContext: { fields: { trustedCa: { id: 1, type: 'DataSource' } } },
    Secret: {
      fields: {
        name: text(1),
        tlsCertificate: { id: 2, type: 'TlsCertificate' },
        validationContext: { id: 4, type: 'ValidationContext' },
      },
    },
    Request: {
      fields: {
        versionInfo: text(1), resourceNames: texts(3), typeUrl: text(4), responseNonce: text(5),
        errorDetail: { id: 6, type: 'Status' },
      },
    },
    Response: {
      fields: {
        versionInfo: text(1), resources: { id: 2, rule: 'repeated', type: 'Any' }, typeUrl: text(4), nonce: text(5),
      },
    },
    DeltaRequest: {
      fields: {
        typeUrl: text(2), resourceNamesSubscribe: texts(3), resourceNamesUnsubscribe: texts(4),
        responseNonce: text(6), errorDetail: { id: 7, type: 'Status' },
      },
    },
    Resource: { fields: { version: text(1), resource: { id: 2, type: 'Any' }, name: text(3) } },
    DeltaResponse: {
      fields: {
        systemVersionInfo: text(1), resources: { id: 2, rule: 'repeated', type: 'Resource' }, typeUrl: text(4),
        nonce: text(5),
      },
    },
  },
});

function codecOf<T extends object>(name: string): { serialize(value: T): Buffer; deserialize(bytes: Buffer): T } {
  const type = root.lookupType(name);
  return {
    serialize: (value) => Buffer.from(type.encode(type.fromObject(value)).finish()),
    deserialize: (bytes) => type.toObject(type.decode(bytes), { defaults: true, arrays: true }) as T,
  };
}

interface SecretMessage {
  readonly name: string;
  readonly tlsCertificate?: { readonly certificateChain: DataSourceMessage; readonly privateKey: DataSourceMessage };
  readonly validationContext?: { readonly trustedCa: DataSourceMessage };
}

interface DataSourceMessage {
  readonly inlineBytes?: Uint8Array;
  readonly inlineString?: string;
}

const secrets = codecOf<SecretMessage>('Secret');

export function packSecret({ name, certificateChain, privateKey, trustedCa }: SecretValue): AnyMessage {
  const source = (pem: string): DataSourceMessage => ({ inlineBytes: Buffer.from(pem) });
  const value = secrets.serialize({
    name,
    ...(certificateChain !== undefined && privateKey !== undefined && {
      tlsCertificate: { certificateChain: source(certificateChain), privateKey: source(privateKey) },
    }),
    ...(trustedCa !== undefined && { validationContext: { trustedCa: source(trustedCa) } }),
  });
  return { typeUrl: SECRET_TYPE_URL, value };
}

/** Undefined for another type, and for bytes that are no Secret. */
export function unpackSecret({ typeUrl, value }: AnyMessage): SecretValue | undefined {
  if (typeUrl !== SECRET_TYPE_URL) return undefined;
  try {
    const { name, tlsCertificate, validationContext } = secrets.deserialize(Buffer.from(value));
    return {
      name,
      certificateChain: pemOf(tlsCertificate?.certificateChain),
      privateKey: pemOf(tlsCertificate?.privateKey),
      trustedCa: pemOf(validationContext?.trustedCa),
    };
  } catch {
    return undefined;
  }
}

function pemOf(source: DataSourceMessage | null | undefined): string {
  if (source === null || source === undefined) return '';
  return source.inlineString || Buffer.from(source.inlineBytes ?? '').toString('latin1');
}

const [requests, responses] = [codecOf<SecretRequest>('Request'), codecOf<SecretResponse>('Response')];
const [deltaRequests, deltaResponses] = [
  codecOf<SecretDeltaRequest>('DeltaRequest'), codecOf<SecretDeltaResponse>('DeltaResponse'),
];

const PATH = '/envoy.service.secret.v3.SecretDiscoveryService';

/** The service, for a grpc-js server's addService and for a client's streams. */
export const secretService = {
  streamSecrets: {
    path: `${PATH}/StreamSecrets`, requestStream: true, responseStream: true,
    requestSerialize: requests.serialize, requestDeserialize: requests.deserialize,
    responseSerialize: responses.serialize, responseDeserialize: responses.deserialize,
  },
  deltaSecrets: {
    path: `${PATH}/DeltaSecrets`, requestStream: true, responseStream: true,
    requestSerialize: deltaRequests.serialize, requestDeserialize: deltaRequests.deserialize,
    responseSerialize: deltaResponses.serialize, responseDeserialize: deltaResponses.deserialize,
  },
  fetchSecrets: {
    path: `${PATH}/FetchSecrets`, requestStream: false, responseStream: false,
    requestSerialize: requests.serialize, requestDeserialize: requests.deserialize,
    responseSerialize: responses.serialize, responseDeserialize: responses.deserialize,
  },
} as const satisfies ServiceDefinition;
