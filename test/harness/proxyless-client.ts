// A client of gRPC's test service that finds it by xDS itself (grpc-js-xds): TARGET [plain|mtls], a call for each line
// on stdin. A process of its own, since its bootstrap is in the environment (GRPC_XDS_BOOTSTRAP_CONFIG).
import { createInterface } from 'node:readline';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { register, XdsChannelCredentials } from '@grpc/grpc-js-xds';
import { testService } from './grpc-test-service.ts';
import type { PayloadResponse } from './grpc-test-service.ts';

register();
const [target = '', kind = 'plain'] = process.argv.slice(2);
const channel = kind === 'mtls' ? new XdsChannelCredentials(credentials.createInsecure())
  : credentials.createInsecure();
const client = new Client(target, channel);
const { path, requestSerialize, responseDeserialize } = testService.unaryCall;

/** Each line is the call's headers as JSON. */
function call(line: string): void {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(JSON.parse(line) as Record<string, string>)) metadata.set(key, value);
  const options = { deadline: Date.now() + 5000 };
  const done = (error: ServiceError | null, response?: object): void => {
    const size = (response as PayloadResponse | undefined)?.payload?.body?.length ?? -1;
    process.stdout.write(`${JSON.stringify({ code: error?.code ?? 0, details: error?.details ?? '', size })}\n`);
  };
  client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { responseSize: 5 }, metadata, options, done);
}

createInterface({ input: process.stdin }).on('line', call).on('close', () => client.close());
