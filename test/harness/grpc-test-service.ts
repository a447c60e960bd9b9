// grpc.testing.TestService, the service of gRPC's interop tests, by grpc-js: its messages' fields, and a server.
import { Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServerDuplexStream, ServerReadableStream, ServerUnaryCall, ServerWritableStream, ServiceDefinition,
  UntypedServiceImplementation, sendUnaryData } from '@grpc/grpc-js';
import protobuf from 'protobufjs/light.js';

export const ECHO_INITIAL = 'x-grpc-test-echo-initial';
export const ECHO_TRAILING = 'x-grpc-test-echo-trailing-bin';

export interface Payload {
  readonly body?: Buffer;
}

export interface EchoStatus {
  readonly code: number;
  readonly message: string;
}

export interface SimpleRequest {
  readonly responseSize?: number;
  readonly payload?: Payload;
  readonly responseStatus?: EchoStatus;
}

export interface OutputRequest {
  readonly responseParameters?: readonly { readonly size: number }[];
  readonly payload?: Payload;
  readonly responseStatus?: EchoStatus;
}

/** Of SimpleResponse and StreamingOutputCallResponse alike. */
export interface PayloadResponse {
  readonly payload?: Payload;
}

export interface InputResponse {
  readonly aggregatedPayloadSize: number;
}

const payload = { id: 1, type: 'Payload' };
const responseStatus = { id: 7, type: 'EchoStatus' };

const root = protobuf.Root.fromJSON({
  nested: {
    Empty: { fields: {} },
    Payload: { fields: { body: { id: 2, type: 'bytes' } } },
    EchoStatus: { fields: { code: { id: 1, type: 'int32' }, message: { id: 2, type: 'string' } } },
    ResponseParameters: { fields: { size: { id: 1, type: 'int32' } } },
    SimpleRequest: {
      fields: { responseSize: { id: 2, type: 'int32' }, payload: { ...payload, id: 3 }, responseStatus },
    },
    InputRequest: { fields: { payload } },
    OutputRequest: {
      fields: {
        responseParameters: { id: 2, rule: 'repeated', type: 'ResponseParameters' }, payload: { ...payload, id: 3 },
        responseStatus,
      },
    },
    PayloadResponse: { fields: { payload } },
    InputResponse: { fields: { aggregatedPayloadSize: { id: 1, type: 'int32' } } },
  },
});

function codecOf(name: string): { serialize(value: object): Buffer; deserialize(bytes: Buffer): object } {
  const type = root.lookupType(name);
  return {
    serialize: (value) => Buffer.from(type.encode(type.fromObject(value)).finish()),
    deserialize: (bytes) => type.toObject(type.decode(bytes), { arrays: true }),
  };
}

function method(name: string, request: string, response: string, requestStream: boolean, responseStream: boolean) {
  const [asked, answered] = [codecOf(request), codecOf(response)];
  return {
    path: `/grpc.testing.TestService/${name}`, requestStream, responseStream,
    requestSerialize: asked.serialize, requestDeserialize: asked.deserialize,
    responseSerialize: answered.serialize, responseDeserialize: answered.deserialize,
  };
}

export const testService = {
  emptyCall: method('EmptyCall', 'Empty', 'Empty', false, false),
  unaryCall: method('UnaryCall', 'SimpleRequest', 'PayloadResponse', false, false),
  streamingOutputCall: method('StreamingOutputCall', 'OutputRequest', 'PayloadResponse', false, true),
  streamingInputCall: method('StreamingInputCall', 'InputRequest', 'InputResponse', true, false),
  fullDuplexCall: method('FullDuplexCall', 'OutputRequest', 'PayloadResponse', true, true),
} as const satisfies ServiceDefinition;

const zeros = (size = 0): PayloadResponse => ({ payload: { body: Buffer.alloc(size) } });

const handlers: UntypedServiceImplementation = {
  emptyCall: (_call: ServerUnaryCall<object, object>, reply: sendUnaryData<object>) => reply(null, {}),
  unaryCall: (call: ServerUnaryCall<SimpleRequest, PayloadResponse>, reply: sendUnaryData<PayloadResponse>) => {
    const trailers = echoMetadata(call);
    const { responseStatus: wanted, responseSize } = call.request;
    if ((wanted?.code ?? 0) !== 0) return reply({ code: wanted!.code, details: wanted!.message, metadata: trailers });
    return reply(null, zeros(responseSize), trailers);
  },
  streamingOutputCall: (call: ServerWritableStream<OutputRequest, PayloadResponse>) => {
    for (const { size } of call.request.responseParameters ?? []) call.write(zeros(size));
    call.end();
  },
  streamingInputCall: (
    call: ServerReadableStream<{ payload?: Payload }, InputResponse>, reply: sendUnaryData<InputResponse>,
  ) => {
    let aggregatedPayloadSize = 0;
    call.on('data', (message: { payload?: Payload }) => (aggregatedPayloadSize += message.payload?.body?.length ?? 0));
    call.on('end', () => reply(null, { aggregatedPayloadSize }));
  },
  fullDuplexCall: (call: ServerDuplexStream<OutputRequest, PayloadResponse>) => {
    const trailers = echoMetadata(call);
    call.on('data', ({ responseStatus: wanted, responseParameters = [] }: OutputRequest) => {
      if ((wanted?.code ?? 0) !== 0) {
        call.emit('error', { code: wanted!.code, details: wanted!.message, metadata: trailers });
        return;
      }
      for (const { size } of responseParameters) call.write(zeros(size));
    });
    call.on('end', () => call.end(trailers));
  },
};

/** Sends the one header back at once; returns the trailer that is to come with the status. */
function echoMetadata(call: { readonly metadata: Metadata; sendMetadata(metadata: Metadata): void }): Metadata {
  const [initial] = call.metadata.get(ECHO_INITIAL);
  const [trailing] = call.metadata.get(ECHO_TRAILING);
  const [headers, trailers] = [new Metadata(), new Metadata()];
  if (initial !== undefined) {
    headers.set(ECHO_INITIAL, initial);
    call.sendMetadata(headers);
  }
  if (trailing !== undefined) trailers.set(ECHO_TRAILING, trailing);
  return trailers;
}

/** The service on a port of 127.0.0.1. */
export class GrpcTestServer implements AsyncDisposable {
  readonly #server = new Server();
  port = 0;

  static async start(): Promise<GrpcTestServer> {
    const started = new GrpcTestServer();
    started.#server.addService(testService, handlers);
    started.port = await new Promise<number>((resolve, reject) => {
      started.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        (error === null ? resolve(port) : reject(error)));
    });
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}
