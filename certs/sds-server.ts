// Secrets to proxies over Envoy's SDS: each stream gets the names that it asks for, and again when they change.
import { createHash } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import type {
  Metadata, Server, ServerDuplexStream, ServerUnaryCall, sendUnaryData,
} from '@grpc/grpc-js';
import { SECRET_TYPE_URL, packSecret, secretService } from './sds-service.ts';
import type {
  SecretDeltaRequest, SecretDeltaResponse, SecretRequest, SecretResponse, SecretValue,
} from './sds-service.ts';

/** Where the secrets are. */
export interface SecretSource {
  /** Undefined while there is none of this name: it is waited for. */
  get(name: string): SecretValue | undefined;
}

export interface SecretServiceOptions {
  readonly source: SecretSource;
  /** Why the caller gets nothing, or undefined when it may ask. Default: everybody who reaches the server may. */
  readonly authenticate?: (metadata: Metadata) => Promise<string | undefined>;
  /** Default 1000. */
  readonly streamsMax?: number;
  /** Told when a client is refused or refuses a secret. Default silent. */
  readonly onRefusal?: (caller: string, reason: string) => void;
  /** A count is another than before. */
  readonly onCount?: (counts: Readonly<SecretCounts>) => void;
}

export interface SecretCounts {
  streams: number;
  sent: number;
  /** Clients that were refused, and responses that clients refused. */
  refused: number;
}

/** Names of one stream, and the length of each. */
const NAMES_MAX = 100;
const NAME_BYTES_MAX = 2048;
const REASON_LENGTH_MAX = 200;

export class SecretService {
  readonly counts: SecretCounts = { streams: 0, sent: 0, refused: 0 };
  readonly #options: SecretServiceOptions;
  readonly #streams = new Set<{ update(): void; end(): void }>();

  constructor(server: Server, options: SecretServiceOptions) {
    this.#options = options;
    server.addService(secretService, {
      streamSecrets: (call: SotwCall) => this.#open(call, () => new SotwStream(this, options, call)),
      deltaSecrets: (call: DeltaCall) => this.#open(call, () => new DeltaStream(this, options, call)),
      fetchSecrets: (call: FetchCall, callback: sendUnaryData<SecretResponse>) => {
        void this.#fetch(call).then((result) => {
          if ('nonce' in result) callback(null, result);
          else callback(result);
        });
      },
    });
  }

  /** The source has something new. */
  update(): void {
    for (const stream of [...this.#streams]) stream.update();
  }

  /** Ends all streams: their clients keep what they have. */
  close(): void {
    for (const stream of [...this.#streams]) stream.end();
  }

  refused(caller: string, reason: string): void {
    this.count('refused', this.counts.refused + 1);
    this.#options.onRefusal?.(caller, reason.slice(0, REASON_LENGTH_MAX));
  }

  count(what: keyof SecretCounts, value: number): void {
    this.counts[what] = value;
    this.#options.onCount?.(this.counts);
  }

  #open(call: SotwCall | DeltaCall, make: () => SotwStream | DeltaStream): void {
    call.on('error', () => {}); // a client that goes away; 'close' follows
    const { streamsMax = 1000 } = this.#options;
    if (this.#streams.size >= streamsMax) {
      const details = `more than ${streamsMax} streams`;
      this.refused(call.getPeer(), details);
      call.emit('error', { code: status.RESOURCE_EXHAUSTED, details });
      return;
    }
    const stream = make();
    this.#streams.add(stream);
    this.count('streams', this.#streams.size);
    const forget = (): void => {
      if (this.#streams.delete(stream)) this.count('streams', this.#streams.size);
    };
    call.on('cancelled', forget);
    call.on('close', forget);
    call.on('end', () => {
      forget();
      call.end();
    });
    void this.#admit(call, stream);
  }

  async #admit(call: SotwCall | DeltaCall, stream: SotwStream | DeltaStream): Promise<void> {
    const fault = await this.#fault(call.metadata);
    if (fault === undefined) {
      stream.admit();
      return;
    }
    this.refused(call.getPeer(), fault);
    call.emit('error', { code: status.UNAUTHENTICATED, details: fault });
  }

  async #fault(metadata: Metadata): Promise<string | undefined> {
    try {
      return await this.#options.authenticate?.(metadata);
    } catch {
      return 'the authority could not tell who asks';
    }
  }

  async #fetch({ request, metadata }: FetchCall): Promise<SecretResponse | { code: status; details: string }> {
    const fault = await this.#fault(metadata);
    if (fault !== undefined) return { code: status.UNAUTHENTICATED, details: fault };
    const found = secretsOf(this.#options.source, request.resourceNames.slice(0, NAMES_MAX));
    this.count('sent', this.counts.sent + 1);
    return responseOf(found, '1');
  }
}

type SotwCall = ServerDuplexStream<SecretRequest, SecretResponse>;
type DeltaCall = ServerDuplexStream<SecretDeltaRequest, SecretDeltaResponse>;
type FetchCall = ServerUnaryCall<SecretRequest, SecretResponse>;

function secretsOf(source: SecretSource, names: readonly string[]): SecretValue[] {
  return names.map((name) => source.get(name)).filter((secret) => secret !== undefined);
}

/** Of what a secret holds; a digest, so that equal versions are equal secrets after a restart as well. */
function versionOf(secrets: readonly SecretValue[]): string {
  return createHash('sha256').update(JSON.stringify(secrets)).digest('hex').slice(0, 16);
}

function responseOf(secrets: readonly SecretValue[], nonce: string): SecretResponse {
  return {
    versionInfo: versionOf(secrets), resources: secrets.map(packSecret), typeUrl: SECRET_TYPE_URL, nonce,
  };
}

/** What both variants do: one response at a time is on its way, so that a client that does not read costs no memory. */
abstract class SecretStream<Request extends Answer, Response> {
  protected readonly service: SecretService;
  protected readonly source: SecretSource;
  readonly #call: ServerDuplexStream<Request, Response>;
  /** Until the caller is known: what it asks for meanwhile. */
  #waiting: Request[] | undefined = [];
  #nonce = 0;
  #answered = 0;

  constructor(
    service: SecretService, { source }: SecretServiceOptions, call: ServerDuplexStream<Request, Response>,
  ) {
    this.service = service;
    this.source = source;
    this.#call = call;
    call.on('data', (request: Request) => {
      if (this.#waiting === undefined) this.#take(request);
      else if (this.#waiting.push(request) > NAMES_MAX) this.#end(status.RESOURCE_EXHAUSTED, 'too many requests');
    });
  }

  admit(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const request of waiting) this.#take(request);
  }

  update(): void {
    if (this.#waiting !== undefined || this.#answered < this.#nonce) return;
    const response = this.next(String(this.#nonce + 1));
    if (response === undefined) return;
    this.#nonce++;
    this.service.count('sent', this.service.counts.sent + 1);
    this.#call.write(response);
  }

  end(): void {
    this.#end(status.UNAVAILABLE, 'the server is shutting down');
  }

  #end(code: status, details: string): void {
    this.#call.emit('error', { code, details });
  }

  #take(request: Request): void {
    if (request.typeUrl !== '' && request.typeUrl !== SECRET_TYPE_URL) {
      this.#end(status.INVALID_ARGUMENT, 'this is a server of secrets alone');
      return;
    }
    const { responseNonce, errorDetail } = request;
    if (responseNonce === String(this.#nonce)) {
      this.#answered = this.#nonce;
      if (errorDetail !== undefined && errorDetail !== null) {
        this.service.refused(this.#call.getPeer(), `refused by the proxy: ${errorDetail.message}`);
      }
    } else if (responseNonce !== '') {
      return; // answers an older response
    }
    if (this.wants(request)) this.update();
    else this.#end(status.INVALID_ARGUMENT, `at most ${NAMES_MAX} names of ${NAME_BYTES_MAX} bytes`);
  }

  /** Takes the names of a request; false when there are too many. */
  protected abstract wants(request: Request): boolean;

  /** What the client has not got yet; undefined for nothing. */
  protected abstract next(nonce: string): Response | undefined;
}

interface Answer {
  readonly typeUrl: string;
  readonly responseNonce: string;
  readonly errorDetail?: { readonly message: string } | null;
}

function areNames(names: readonly string[]): boolean {
  return names.length <= NAMES_MAX && names.every((name) => name.length <= NAME_BYTES_MAX);
}

class SotwStream extends SecretStream<SecretRequest, SecretResponse> {
  #names: readonly string[] = [];
  #sent = '';

  protected wants({ resourceNames }: SecretRequest): boolean {
    if (!areNames(resourceNames)) return false;
    this.#names = [...new Set(resourceNames)];
    return true;
  }

  protected next(nonce: string): SecretResponse | undefined {
    const found = secretsOf(this.source, this.#names);
    const response = responseOf(found, nonce);
    if (found.length === 0 || response.versionInfo === this.#sent) return undefined;
    this.#sent = response.versionInfo;
    return response;
  }
}

class DeltaStream extends SecretStream<SecretDeltaRequest, SecretDeltaResponse> {
  /** Names with the version that was sent. */
  readonly #names = new Map<string, string>();

  protected wants({ resourceNamesSubscribe, resourceNamesUnsubscribe }: SecretDeltaRequest): boolean {
    if (!areNames(resourceNamesSubscribe)) return false;
    for (const name of resourceNamesUnsubscribe) this.#names.delete(name);
    for (const name of resourceNamesSubscribe) this.#names.set(name, '');
    return this.#names.size <= NAMES_MAX;
  }

  protected next(nonce: string): SecretDeltaResponse | undefined {
    const changed = secretsOf(this.source, [...this.#names.keys()])
      .filter((secret) => this.#names.get(secret.name) !== versionOf([secret]));
    if (changed.length === 0) return undefined;
    const resources = changed.map((secret) => {
      const version = versionOf([secret]);
      this.#names.set(secret.name, version);
      return { name: secret.name, version, resource: packSecret(secret) };
    });
    return { systemVersionInfo: versionOf(changed), resources, typeUrl: SECRET_TYPE_URL, nonce };
  }
}
