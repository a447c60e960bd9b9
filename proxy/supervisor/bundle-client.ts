// Follows the authority's trust bundle: one SDS stream over TLS, shown the workload token.
import { Client, Metadata, credentials, status } from '@grpc/grpc-js';
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import { SECRET_TYPE_URL, secretService, unpackSecret } from '../../certs/sds-service.ts';
import type { SecretRequest, SecretResponse } from '../../certs/sds-service.ts';
import { grpcTarget } from '../base/grpc-target.ts';
import { CA_CHANNEL } from './ca-client.ts';

export interface BundleRequest {
  /** HOST:PORT. */
  readonly address: string;
  /** PEM roots that the server is verified with, and nothing else. */
  readonly roots: string;
  readonly token: string;
}

export interface BundleEvents {
  /** PEM; called with what the authority trusts now and each time that it changes. */
  onBundle(pem: string): void;
  /** The stream is over, once. `unknown`: this authority has no such stream. */
  onEnd(reason: string, unknown: boolean): void;
}

/** Opens the stream; what is returned closes it, and nothing is called after that. */
export type FollowBundle = (request: BundleRequest, events: BundleEvents) => { close(): void };

const CHANNEL = {
  ...CA_CHANNEL,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
} as const;

const ROOTS_SECRET = 'ROOTCA';

export const followBundle: FollowBundle = ({ address, roots, token }, events) => {
  const { channel, verify } = grpcTarget(address);
  const tls = credentials.createSsl(Buffer.from(roots), null, null, verify);
  const client = new Client(address, tls, { ...CHANNEL, ...channel });
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const { path, requestSerialize, responseDeserialize } = secretService.streamSecrets;
  const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
  let isOver = false;
  const end = (reason?: string, unknown = false): void => {
    if (isOver) return;
    isOver = true;
    stream.cancel();
    client.close();
    if (reason !== undefined) events.onEnd(reason, unknown);
  };
  stream.on('data', (response: SecretResponse) => {
    if (!isOver) answer(stream, response, events);
  });
  stream.on('error', ({ code, details }: ServiceError) => {
    end(`${status[code]}: ${details}`, code === status.UNIMPLEMENTED || code === status.PERMISSION_DENIED);
  });
  stream.on('end', () => end('the authority ended the stream'));
  stream.write(requestOf('', ''));
  return { close: () => end() };
};

type Stream = ClientDuplexStream<SecretRequest, SecretResponse>;

function answer(stream: Stream, { resources, nonce, versionInfo }: SecretResponse, events: BundleEvents): void {
  const secret = resources.map(unpackSecret).find((found) => found?.name === ROOTS_SECRET);
  if (secret?.trustedCa !== undefined && secret.trustedCa !== '') events.onBundle(secret.trustedCa);
  stream.write(requestOf(versionInfo, nonce));
}

function requestOf(versionInfo: string, responseNonce: string): SecretRequest {
  return { versionInfo, resourceNames: [ROOTS_SECRET], typeUrl: SECRET_TYPE_URL, responseNonce };
}
