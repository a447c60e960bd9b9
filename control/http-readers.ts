// Who may read the control plane's pages and status: this machine, networks that are named, and who shows a token.
import type { IncomingMessage } from 'node:http';
import { CidrSet, isLoopback, parseCidr } from '../proxy/base/cidr.ts';
import { messageOf } from '../proxy/base/error.ts';
import { isSameToken, readToken, shownToken } from '../proxy/base/shown-token.ts';

export interface HttpReadersOptions {
  /** Of readers on other machines, as CIDR blocks. Default none. */
  readonly networks?: readonly string[];
  /** What others show, as a bearer's token or a password; read each time: it may be a new one. Default: no others. */
  readonly tokenFile?: string | undefined;
  /** The file says nothing of use. */
  warn?(line: string): void;
}

export interface ReadRefusal {
  readonly status: 401 | 403;
  readonly text: string;
}

/** Spans and health are everybody's: proxies and probes show nothing (threats.md S100). */
export class HttpReaders {
  readonly #networks: CidrSet;
  readonly #options: HttpReadersOptions;

  /** Throws a ConfigError for what is no network. */
  constructor(options: HttpReadersOptions = {}) {
    this.#options = options;
    this.#networks = new CidrSet((options.networks ?? []).map((text) => parseCidr(text, '--http-network')));
  }

  /** Why this request may not read, or undefined. */
  async refusal({ socket, headers }: IncomingMessage): Promise<ReadRefusal | undefined> {
    const { remoteAddress = '', localAddress } = socket;
    const peer = remoteAddress.replace(/^::ffff:/, '');
    // Who has this address calls from this machine.
    if (isLoopback(peer) || remoteAddress === localAddress || this.#networks.contains(peer)) return undefined;
    const { tokenFile, warn } = this.#options;
    if (tokenFile === undefined) {
      return { status: 403, text: 'this is for callers on its own machine (--http-network, --http-token-file)\n' };
    }
    const shown = shownToken(headers.authorization);
    try {
      if (shown !== undefined && isSameToken(shown, await readToken(tokenFile))) return undefined;
    } catch (cause) {
      warn?.(`--http-token-file: ${messageOf(cause)}`);
    }
    return { status: 401, text: 'this takes the token of --http-token-file, as a bearer or as a password\n' };
  }
}
