// The decoder thread: all that needs the schemas of configuration is done here, so that nobody else loads them.
import { parentPort } from 'node:worker_threads';
import { configDumpResponse } from './admin/config-dump.ts';
import { ConfigError, messageOf } from './base/error.ts';
import { harden } from './base/harden.ts';
import { loadBootstrap } from './config/bootstrap-file.ts';
import type { DecoderAnswer, DecoderJob, DecoderRequest } from './supervisor/decoder-messages.ts';

harden();

const port = parentPort!;

port.on('message', (request: DecoderRequest) => void answer(request).then((reply) => port.postMessage(reply)));

async function answer({ id, job }: DecoderRequest): Promise<DecoderAnswer> {
  try {
    return { id, value: await run(job) };
  } catch (cause) {
    return { id, fault: { message: messageOf(cause), ofConfig: cause instanceof ConfigError } };
  }
}

function run(job: DecoderJob): unknown {
  switch (job.kind) {
    case 'bootstrap': return loadBootstrap(job.file);
    case 'config-dump': return configDumpResponse(job.config, new URLSearchParams(job.query));
  }
}
