// Asks a certificate authority for a leaf: one gRPC call over TLS, and the connection is closed after it.
import { Client, Metadata, credentials, status } from '@grpc/grpc-js';
import type { ClientUnaryCall, ServiceError } from '@grpc/grpc-js';
import { CA_MESSAGE_BYTES_MAX, istioCaService } from '../../certs/istio-ca-service.ts';
import type { IstioCertificateResponse } from '../../certs/istio-ca-service.ts';
import { systemClock } from '../base/clock.ts';
import { grpcTarget } from '../base/grpc-target.ts';

export interface CertificateRequest {
  /** HOST:PORT. */
  readonly address: string;
  /** PEM roots that the server is verified with, and nothing else. */
  readonly roots: string;
  readonly token: string;
  /** PKCS #10 in PEM. */
  readonly csr: string;
  /** Ends the call early. */
  readonly signal: AbortSignal;
  /** An authority that takes longer is taken for unreachable. Default 10 s. */
  readonly deadlineMs?: number;
}

/** Resolves to PEM texts, leaf first and roots last. Rejects with an Error in words that hold nothing of the token. */
export type RequestCertificate = (request: CertificateRequest) => Promise<readonly string[]>;

const DEADLINE_MS = 10_000;

/** Of channels to the authority. */
export const CA_CHANNEL = {
  'grpc.max_receive_message_length': CA_MESSAGE_BYTES_MAX,
  'grpc.enable_retries': 0, // the agent has its own, with its own log lines
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0, // an http_proxy of the environment is for applications
} as const;

export const requestCertificate: RequestCertificate = async (request) => {
  const { channel, verify } = grpcTarget(request.address);
  const tls = credentials.createSsl(Buffer.from(request.roots), null, null, verify);
  const client = new Client(request.address, tls, { ...CA_CHANNEL, ...channel });
  try {
    return (await call(client, request)).certChain;
  } finally {
    client.close();
  }
};

function call(client: Client, request: CertificateRequest): Promise<IstioCertificateResponse> {
  const { address, token, csr, signal, deadlineMs = DEADLINE_MS } = request;
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const { path, requestSerialize, responseDeserialize } = istioCaService.createCertificate;
  const message = { csr, validityDuration: 0 };
  const deadline = new Date(systemClock.wallMs() + deadlineMs);
  const { promise, resolve, reject } = Promise.withResolvers<IstioCertificateResponse>();
  const onAnswer = (error: ServiceError | null, response?: IstioCertificateResponse): void => {
    if (error === null && response !== undefined) resolve(response);
    else reject(new Error(`the authority at ${address} answered ${reasonOf(error)}`));
  };
  const under: ClientUnaryCall = client.makeUnaryRequest(
    path, requestSerialize, responseDeserialize, message, metadata, { deadline }, onAnswer,
  );
  const cancel = (): void => under.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  return promise.finally(() => signal.removeEventListener('abort', cancel));
}

function reasonOf(error: ServiceError | null): string {
  if (error === null) return 'nothing';
  const name = status[error.code];
  if (error.code === status.UNAVAILABLE) return `${name}, is it running and is root_file its root? ${error.details}`;
  return `${name}: ${error.details}`;
}
