// What every step of the tour uses: the running demo, a client in front of the gateway, rules put
// in force, traffic meanwhile.
import { setTimeout as delay } from 'node:timers/promises';
import { applyTask } from './mesh-directory.ts';
import type { Answer } from './ready.ts';
import { fetchText } from './ready.ts';

/** The product page as JSON, as far as the tour looks at it. */
export interface PageView {
  readonly status: number;
  readonly durationMs: number;
  readonly reviewsStatus: number;
  /** v1, v2, v3, or undefined when the reviews did not come. */
  readonly version: string | undefined;
  /** The message in place of reviews, or of ratings. */
  readonly reviewsError: string | undefined;
  readonly ratingsError: string | undefined;
}

/** A step: what it shows, and how; the text that it returns is what was observed, a throw is its failure. */
export interface Step {
  readonly title: string;
  run(tour: TourContext): Promise<string>;
}

interface PageJson {
  readonly reviews: { readonly status: number; readonly body: ReviewsJson };
}

interface ReviewsJson {
  readonly version?: string;
  readonly error?: string;
  readonly reviews?: readonly { readonly rating?: { readonly error?: string } }[];
}

export interface TouredWorkload {
  readonly name: string;
  /** Where its sidecar takes requests of others. */
  readonly pod: { readonly ip: string; readonly inboundPort: number };
}

/** A running mesh with Bookinfo in it, as far as the tour looks at it. */
export interface TouredMesh {
  /** For what the tour makes; the authority's keys are in it as `ca`. */
  readonly folder: string;
  /** The mesh's YAML, which may be changed. */
  readonly meshDir: string;
  /** Of the gateway, on 127.0.0.1. */
  readonly gatewayPort: number;
  /** Of the control plane's pages. */
  readonly controlUrl: string;
  readonly workloads: readonly TouredWorkload[];
  workload(name: string): TouredWorkload;
  /** Its sidecar's metrics, for Prometheus. */
  metricsUrl(workload: TouredWorkload): string;
  /** Kills processes (`app/NAME`, `sidecar/NAME`) all at once; resolves when others are ready in their places. */
  killUntilBack(names: readonly string[]): Promise<void>;
}

const RULE_TIMEOUT_MS = 30_000;

export class TourContext {
  readonly demo: TouredMesh;

  constructor(demo: TouredMesh) {
    this.demo = demo;
  }

  get pageUrl(): string {
    return `http://127.0.0.1:${this.demo.gatewayPort}/api/v1/products/0`;
  }

  async page(user?: string, headers: Record<string, string> = {}): Promise<PageView> {
    const answer = await fetchText(this.pageUrl, { ...headers, ...(user !== undefined && { 'end-user': user }) });
    return viewOf(answer);
  }

  /** Several pages at once, `inFlight` at a time. */
  async pages(count: number, user?: string, inFlight = 4): Promise<PageView[]> {
    const views: PageView[] = [];
    let started = 0;
    const client = async (): Promise<void> => {
      while (started++ < count) views.push(await this.page(user));
    };
    await Promise.all(Array.from({ length: inFlight }, client));
    return views;
  }

  /** Puts a task's rules in force and waits until `reached` sees them; rejects when they do not arrive. */
  async rule(task: string, reached: () => Promise<boolean>): Promise<void> {
    await applyTask(this.demo.meshDir, task);
    await until(`the rules of ${task} are in force`, reached);
  }

  async text(url: string): Promise<string> {
    return (await fetchText(url)).body;
  }

  async json(path: string): Promise<unknown> {
    return JSON.parse(await this.text(`${this.demo.controlUrl}${path}`));
  }
}

export async function until(
  what: string, condition: () => Promise<boolean>, timeoutMs = RULE_TIMEOUT_MS,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what}: not after ${timeoutMs / 1000} s`);
    await delay(30);
  }
}

export function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** An answer to a request for the page as JSON. */
export function viewOf({ status, durationMs, body }: Pick<Answer, 'status' | 'durationMs' | 'body'>): PageView {
  if (status !== 200) {
    return {
      status, durationMs, reviewsStatus: 0, version: undefined, reviewsError: body.slice(0, 200),
      ratingsError: undefined,
    };
  }
  const { reviews } = JSON.parse(body) as PageJson;
  return {
    status, durationMs, reviewsStatus: reviews.status, version: reviews.body.version, reviewsError: reviews.body.error,
    ratingsError: reviews.body.reviews?.find((review) => review.rating?.error !== undefined)?.rating?.error,
  };
}

/** Whether a page came whole, reviews included. */
export function isWhole(view: PageView): boolean {
  return view.status === 200 && view.reviewsStatus === 200 && view.reviewsError === undefined
    && view.ratingsError === undefined;
}
