// Opens HTTP/1.1 codecs over new connections, with a cluster's protocol options compiled for them.
import type { WriteBatch } from '../base/write-batch.ts';
import { LIMITS } from '../config/limits.ts';
import { Http1ClientConnection } from '../http/http1-client.ts';
import type { Http1ClientOptions } from '../http/http1-client.ts';
import type { OpenHttp1 } from './cluster.ts';
import type { ConnectionSettings } from './connection-settings.ts';

/** `writes` is the worker's. Options are compiled once for each cluster's settings. */
export function http1Opener(writes: WriteBatch): OpenHttp1 {
  const compiled = new WeakMap<ConnectionSettings, Http1ClientOptions>();
  return (transport, settings, handler) => {
    let options = compiled.get(settings);
    if (options === undefined) {
      options = optionsOf(settings, writes);
      compiled.set(settings, options);
    }
    return new Http1ClientConnection(transport, options, handler);
  };
}

function optionsOf({ http1, headersCountMax }: ConnectionSettings, writes: WriteBatch): Http1ClientOptions {
  const formatter = http1.headerKeyFormat?.statefulFormatter;
  return {
    preserveCase: formatter !== undefined,
    properCase: http1.headerKeyFormat?.properCaseWords !== undefined,
    forwardReasonPhrase: formatter?.typedConfig.forwardReasonPhrase ?? false,
    enableTrailers: http1.enableTrailers ?? false,
    headerCountMax: headersCountMax ?? LIMITS.headersCountMax,
    writes,
  };
}
