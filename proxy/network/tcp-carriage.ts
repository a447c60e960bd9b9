// TCP carried in HTTP: the request that asks a proxy upstream for a way on (tunneling_config).
import { ConfigError } from '../base/error.ts';
import type { TunnelingConfig } from '../config/tcp-proxy.ts';
import { isTarget } from '../http/char-class.ts';
import { LENGTH_UNKNOWN, RequestHead } from '../http/message.ts';
import { compileRequestHeaders } from '../route/header-operations.ts';
import type { HeaderOperations } from '../route/route-entry.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';

export class TcpCarriage {
  readonly #authority: string;
  /** Undefined: CONNECT. */
  readonly #postPath: string | undefined;
  readonly #headers: HeaderOperations | undefined;

  /** Throws ConfigError below `path`. */
  constructor({ hostname, usePost, postPath, headersToAdd = [] }: TunnelingConfig, path: string) {
    this.#authority = hostname.toLowerCase();
    this.#postPath = usePost === true ? postPath ?? '/' : undefined;
    if (!isTarget(hostname)) throw new ConfigError(`${path}.hostname`, 'is no host and port');
    if (this.#postPath !== undefined && !(isTarget(this.#postPath) && this.#postPath.startsWith('/'))) {
      throw new ConfigError(`${path}.postPath`, 'is no path');
    }
    this.#headers = compileRequestHeaders({ requestHeadersToAdd: headersToAdd }, path);
  }

  head(info: StreamInfo): RequestHead {
    const isPost = this.#postPath !== undefined;
    const head = new RequestHead(isPost ? 'POST' : 'CONNECT', this.#authority, this.#postPath ?? '');
    head.contentLength = isPost ? LENGTH_UNKNOWN : 0;
    this.#headers?.apply(head.headers, info);
    return head;
  }
}
