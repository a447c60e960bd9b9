// The decoder process as its users see it: started when there is something to decode and ended soon after, because the
// schemas of configuration take more memory than all else in the supervisor.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AdminResponse } from '../admin/admin-response.ts';
import type { ConfigSnapshot } from '../admin/admin-source.ts';
import { ConfigError } from '../base/error.ts';
import type { ResourceType } from '../config/any-registry.ts';
import type { LoadedBootstrap } from '../config/bootstrap-file.ts';
import { ConfigWarning } from '../config/decode-report.ts';
import type { ModelResource, ModelText } from '../config/model-text.ts';
import type { DecodedResponse, DecodeResponse } from '../xds/resource-decode.ts';
import type { ResourceFile } from '../xds/resource-file.ts';
import type { DecodedElsewhere, DecoderAnswer, DecoderJob, DecoderRequest } from './decoder-messages.ts';

const ENTRY = fileURLToPath(new URL('../thread.mjs', import.meta.url));
/** Without work for so long, it ends; the next piece of work pays some 100 ms for another. */
const IDLE_MS = 1000;
/** After responses of a management server: more of them come soon. */
const IDLE_DYNAMIC_MS = 5000;
/** Lines about unknown fields: the names are the peer's. */
const UNKNOWN_MAX = 1000;

interface Waiting {
  resolve(value: unknown): void;
  reject(cause: Error): void;
}

/** What is decoded is cloned on its way: maps that had no prototype have one afterwards, and nothing else changes. */
export class Decoder {
  readonly #waiting = new Map<number, Waiting>();
  #child: ChildProcess | undefined = undefined;
  readonly #unknown = new Set<string>();
  #nextId = 0;
  #idleMs = IDLE_MS;
  #idle: NodeJS.Timeout | undefined = undefined;

  /** Reads a bootstrap file. Rejects with an Error of one line for each fault. */
  async bootstrap(file: string): Promise<LoadedBootstrap> {
    return await this.#run({ kind: 'bootstrap', file }) as LoadedBootstrap;
  }

  /** Answers /config_dump. Rejects with a ConfigError for a query that asks for nonsense. */
  async configDump(config: ConfigSnapshot, query: URLSearchParams): Promise<AdminResponse> {
    return await this.#run({ kind: 'config-dump', config, query: query.toString() }) as AdminResponse;
  }

  /** Decodes an xDS response; `onUnknown` gets a line for each field that the schema does not know, once. */
  async response(
    response: Parameters<DecodeResponse>[0], onUnknown: (line: string) => void,
  ): Promise<DecodedResponse> {
    this.#idleMs = IDLE_DYNAMIC_MS;
    const { unknown, warnings, ...decoded } = await this.#run({ kind: 'response', response }) as DecodedElsewhere;
    for (const line of unknown) {
      if (this.#unknown.has(line) || this.#unknown.size >= UNKNOWN_MAX) continue;
      this.#unknown.add(line);
      onUnknown(line);
    }
    return { ...decoded, warnings: warnings.map(withClass) };
  }

  /** Reads a file of resources; rejects with an Error when it cannot be read. */
  async resourceFile(type: ResourceType, file: string): Promise<ResourceFile> {
    const { decoded, ...read } = await this.#run({ kind: 'resource-file', type, file }) as ResourceFile;
    return { ...read, decoded: { ...decoded, warnings: decoded.warnings.map(withClass) } };
  }

  /** Resources as text that can be kept, those that hold secrets left out. */
  async modelText(resources: readonly ModelResource[]): Promise<ModelText> {
    return await this.#run({ kind: 'model-text', resources }) as ModelText;
  }

  /** Rejects with a ConfigError when any of them is not as this version's schemas want it. */
  async model(text: string): Promise<readonly ModelResource[]> {
    return await this.#run({ kind: 'model', text }) as readonly ModelResource[];
  }

  /** Ends the process; what it was doing is rejected. */
  end(): void {
    clearTimeout(this.#idle);
    this.#child?.kill();
  }

  #run(job: DecoderJob): Promise<unknown> {
    const child = this.#child ??= this.#start();
    clearTimeout(this.#idle);
    child.ref();
    child.channel?.ref();
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    child.send({ id, job } satisfies DecoderRequest, (error) => {
      if (error !== null) this.#onAnswer({ id, fault: { message: error.message, ofConfig: false } });
    });
    return promise;
  }

  #start(): ChildProcess {
    const child = fork(ENTRY, ['./decoder-main.ts'], {
      serialization: 'advanced', execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: ownEnvironment(),
    });
    let reason = 'the decoder process ended';
    child.on('message', (answer) => this.#onAnswer(answer as DecoderAnswer));
    child.on('error', (error) => {
      reason = error.message;
      if (child.pid === undefined && this.#child === child) this.#onEnd(reason);
    });
    child.on('exit', (code, signal) => {
      if (this.#child === child) this.#onEnd(`${reason} (${signal ?? `exit code ${code}`})`);
    });
    return child;
  }

  #onAnswer(answer: DecoderAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    if (!this.#waiting.delete(answer.id)) return;
    if (this.#waiting.size === 0) this.#rest();
    if (!('fault' in answer)) waiting?.resolve(answer.value);
    else if (answer.fault.ofConfig) waiting?.reject(new ConfigError('', answer.fault.message));
    else waiting?.reject(new Error(answer.fault.message));
  }

  /** Nothing is asked of it: it keeps no process alive, and ends if that lasts. */
  #rest(): void {
    const child = this.#child;
    child?.unref();
    child?.channel?.unref();
    this.#idle = setTimeout(() => {
      this.#child = undefined;
      // Not by a signal: what it has compiled anew shall be kept.
      child?.disconnect();
    }, this.#idleMs).unref();
  }

  #onEnd(reason: string): void {
    this.#child = undefined;
    clearTimeout(this.#idle);
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
  }
}

/** What a child needs; tokens and passwords, and options that load other code, are not for it (threats.md S104). */
function ownEnvironment(): NodeJS.ProcessEnv {
  const wanted = /^(?:PATH|HOME|TMPDIR|TZ|LANG|LC_.*|MALLOC_.*|NODE_COMPILE_CACHE|NODE_V8_COVERAGE)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => wanted.test(name)));
}

function withClass({ key, path, reason, where }: ConfigWarning): ConfigWarning {
  return new ConfigWarning(key, path, reason, where);
}
