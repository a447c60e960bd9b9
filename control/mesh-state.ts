// The mesh as it is now: the source's objects, the services that they make, what is odd about them, and the translator.
import type { Clock } from '../proxy/base/clock.ts';
import { messageOf } from '../proxy/base/error.ts';
import { istioStatuses } from './analysis/istio-status.ts';
import type { ObjectStatus } from './gateway-api/condition.ts';
import { gatewayApiStatuses } from './gateway-api/status.ts';
import type { FetchedKeySets } from './keys/key-sets.ts';
import { buildMesh, type BuildParts, type BuiltMesh } from './mesh-build.ts';
import type { KindName } from './model/kind.ts';
import { findingText } from './model/mesh-object.ts';
import { atOnce, inSlices } from './model/steps.ts';
import type { SourceState } from './source/source.ts';
import type { WantedStatus } from './source/status-writer.ts';
import type { MeshSettings } from './translate/mesh-settings.ts';
import { rulesToFetch } from './translate/request-authentication.ts';
import { Translator } from './translate/proxy-resources.ts';

/** Where lines for people go. */
export interface ControlLog {
  info(line: string): void;
  warning(line: string): void;
}

/** What status shows of the configuration. */
export interface ConfigStatus {
  readonly source: string;
  readonly files: number;
  readonly objects: number;
  readonly warnings: readonly string[];
  /** What the Gateway API's objects are told of themselves; absent without any. */
  readonly gatewayApi?: readonly NamedStatus[];
}

/** Status of one object, as it stands in its status subresource but for the times. */
export interface NamedStatus {
  readonly kind: KindName;
  readonly namespace: string;
  readonly name: string;
  readonly status: Readonly<Record<string, unknown>>;
}

/** A file of which the last good content (`servedObjects`) is served instead. */
export interface RefusedFileStatus {
  readonly file: string;
  /** Unix time in milliseconds. */
  readonly sinceMs: number;
  /** `routes.yaml:12: VirtualService default/reviews spec.http[0]: …` */
  readonly errors: readonly string[];
  readonly servedObjects: number;
}

const WARNINGS_MAX = 1000;

export interface MeshStateOptions {
  readonly sourceName: string;
  readonly settings: MeshSettings;
  readonly log: ControlLog;
  readonly clock: Clock;
  /** Told whose keys the configuration needs. */
  readonly keySets?: FetchedKeySets | undefined;
  /** What update() was given is in force. */
  readonly onChange?: () => void;
}

const NOTHING: SourceState = { objects: [], refused: [], warnings: [], units: 0 };

/**
 * - resting: what the source said last is in force.
 * - building: something is made of a state of the source, in slices; what was in force before is so until then.
 * - closed: nothing changes any more.
 */
type Progress = 'resting' | 'building' | 'closed';

export class MeshState {
  readonly #options: MeshStateOptions;
  #progress: Progress = 'resting';
  /** The newest of what came while another was being built. */
  #next: SourceState | undefined = undefined;
  #built: BuiltMesh;
  #translator: Translator;
  /** Lines that were logged and still hold: each is said once. */
  #said = new Set<string>();

  constructor(options: MeshStateOptions) {
    this.#options = options;
    this.#built = atOnce(buildMesh(NOTHING, this.#parts));
    this.#translator = new Translator(this.#built.view);
  }

  get translator(): Translator {
    return this.#translator;
  }

  /** Puts it in force at once. */
  start(source: SourceState): void {
    this.#publish(atOnce(buildMesh(source, this.#parts, this.#built)));
  }

  /** In force soon: of what comes meanwhile the newest follows. */
  update(source: SourceState): void {
    this.#next = source;
    if (this.#progress === 'resting') void this.#buildAll();
  }

  close(): void {
    this.#progress = 'closed';
  }

  /** Settings or issuers' keys have changed: translations that were kept hold no more. */
  rebuild(): void {
    this.#translator = new Translator(this.#built.view);
  }

  status(): ConfigStatus {
    const { source: { objects, units, warnings }, findings } = this.#built;
    const gatewayApi = this.objectStatuses().map(({ object: { kind, namespace, name }, status }) => (
      { kind, namespace, name, status }));
    return {
      source: this.#options.sourceName,
      files: units,
      objects: objects.length,
      warnings: [...warnings, ...findings].slice(0, WARNINGS_MAX).map(findingText),
      ...(gatewayApi.length > 0 && { gatewayApi }),
    };
  }

  /** For whoever writes them to an API server. */
  objectStatuses(): ObjectStatus[] {
    return gatewayApiStatuses(this.#built.view.inventory, this.#options.settings.domain);
  }

  /** What objects should say of themselves, where there is an API server to write it to. */
  wantedStatuses(): WantedStatus[] {
    const { source } = this.#built;
    const findings = [...source.warnings, ...this.#built.findings];
    return [...istioStatuses(source, findings), ...this.objectStatuses()];
  }

  refusedFiles(): RefusedFileStatus[] {
    return this.#built.source.refused.map(({ errors, ...file }) => ({ ...file, errors: errors.map(findingText) }));
  }

  get #parts(): BuildParts {
    const { settings, keySets } = this.#options;
    return { settings, keySets };
  }

  async #buildAll(): Promise<void> {
    this.#progress = 'building';
    for (let source = this.#next; source !== undefined; source = this.#next) {
      this.#next = undefined;
      try {
        const built = await inSlices(buildMesh(source, this.#parts, this.#built), this.#options.clock);
        if (this.#isClosed) return;
        this.#publish(built);
        this.#options.onChange?.();
      } catch (cause) {
        this.#options.log.warning(`the mesh stays as it was, the newest objects cannot be used: ${messageOf(cause)}`);
      }
    }
    this.#progress = 'resting';
  }

  get #isClosed(): boolean {
    return this.#progress === 'closed';
  }

  #publish(built: BuiltMesh): void {
    const before = this.#built.source.refused;
    this.#built = built;
    this.#options.keySets?.watch(rulesToFetch(built.view.inventory));
    this.#translator = new Translator(built.view, built.sameRules ? this.#translator : undefined);
    this.#say();
    const refused = new Set(built.source.refused.map(({ file }) => file));
    for (const { file } of before) {
      if (!refused.has(file)) this.#options.log.info(`${file}: taken again, without fault`);
    }
  }

  /** New refusals and warnings, each as one line. */
  #say(): void {
    const { source: { refused, warnings }, findings } = this.#built;
    const lines = new Set([
      ...refused.flatMap(({ errors, servedObjects }) => errors.map((error) => `refused: ${findingText(error)}${
        servedObjects > 0 ? ` (the last good content is served: ${servedObjects} objects)` : ''}`)),
      ...[...warnings, ...findings].slice(0, WARNINGS_MAX).map(findingText),
    ]);
    for (const line of lines) if (!this.#said.has(line)) this.#options.log.warning(line);
    this.#said = lines;
  }
}
