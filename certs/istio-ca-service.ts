// Istio's certificate service as gRPC (istio.v1.auth.IstioCertificateService), declared from its messages' fields.
import type { ServiceDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs/light.js';

/** Asks for a leaf. Field 4, a Struct of metadata for other signers, is skipped as protobuf skips unknown fields. */
export interface IstioCertificateRequest {
  /** PKCS #10 in PEM. */
  readonly csr: string;
  /** Seconds; 0 leaves it to the CA. */
  readonly validityDuration: number;
}

/** Leaf first, then intermediates, and last the roots in one text; all PEM. */
export interface IstioCertificateResponse {
  readonly certChain: readonly string[];
}

export const CREATE_CERTIFICATE_PATH = '/istio.v1.auth.IstioCertificateService/CreateCertificate';

/** Largest message either side takes: a request with an RSA key is under 2 KiB, a bundle of many roots some 100. */
export const CA_MESSAGE_BYTES_MAX = 262_144;

const root = protobuf.Root.fromJSON({
  nested: {
    IstioCertificateRequest: {
      fields: {
        csr: { id: 1, type: 'string' },
        validityDuration: { id: 3, type: 'int64' },
      },
    },
    IstioCertificateResponse: { fields: { certChain: { id: 1, rule: 'repeated', type: 'string' } } },
  },
});

function codecOf<T extends object>(name: string): { serialize(value: T): Buffer; deserialize(bytes: Buffer): T } {
  const type = root.lookupType(name);
  return {
    serialize: (value) => Buffer.from(type.encode(type.fromObject(value)).finish()),
    deserialize: (bytes) => type.toObject(type.decode(bytes), { defaults: true, arrays: true, longs: Number }) as T,
  };
}

const requests = codecOf<IstioCertificateRequest>('IstioCertificateRequest');
const responses = codecOf<IstioCertificateResponse>('IstioCertificateResponse');

/** The service, for a grpc-js server's addService and for a client's makeUnaryRequest. */
export const istioCaService = {
  createCertificate: {
    path: CREATE_CERTIFICATE_PATH,
    requestStream: false,
    responseStream: false,
    requestSerialize: requests.serialize,
    requestDeserialize: requests.deserialize,
    responseSerialize: responses.serialize,
    responseDeserialize: responses.deserialize,
  },
} as const satisfies ServiceDefinition;
