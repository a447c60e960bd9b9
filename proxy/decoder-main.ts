// The decoder process: all that needs the schemas of configuration is done here, so that nobody else loads them. It is
// no thread, because V8 keeps most of the memory of a thread that has ended. It lives until its parent lets go of it.
import { constants, setPriority } from 'node:os';
import { configDumpResponse } from './admin/config-dump.ts';
import { systemClock } from './base/clock.ts';
import { ConfigError, messageOf } from './base/error.ts';
import { harden } from './base/harden.ts';
import { loadBootstrap } from './config/bootstrap-file.ts';
import { modelOf, modelText } from './config/model-text.ts';
import type { Wire } from './config/wire.ts';
import type { DecodedElsewhere, DecoderAnswer, DecoderJob, DecoderRequest } from './supervisor/decoder-messages.ts';
import { decodeResponse } from './xds/resource-decode.ts';
import type { DecodeResponse } from './xds/resource-decode.ts';
import { readResourceFile } from './xds/resource-file.ts';

harden();
try {
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
} catch {
  // Where the system forbids it, requests share the processor with what is decoded.
}

// Ctrl-C goes to the whole terminal; the proxy says when this ends.
process.on('SIGINT', () => undefined);
process.on('message', (request: DecoderRequest) => void answer(request).then((reply) => process.send!(reply)));

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
    case 'response': return decodeByWire(job.response);
    case 'resource-file': return readResourceFile(job.type, job.file, { clock: systemClock, wire: loadWire });
    case 'model-text': return modelText(job.resources);
    case 'model': return modelOf(job.text);
  }
}

let wire: Promise<Wire> | undefined;
let unknown: string[] = [];

/** Protobuf's schema is loaded with the first response. */
function loadWire(): Promise<Wire> {
  wire ??= import('./config/wire.ts').then(({ Wire }) => new Wire((line) => unknown.push(line)));
  return wire;
}

async function decodeByWire(response: Parameters<DecodeResponse>[0]): Promise<DecodedElsewhere> {
  const decoded = await decodeResponse({ wire: await loadWire(), clock: systemClock }, response);
  const lines = unknown;
  unknown = [];
  return { ...decoded, unknown: lines };
}
