// Step (g): one trace holds client and server spans of all services in one tree.
import type { Step, TourContext } from '../tour-context.ts';
import { check, until } from '../tour-context.ts';

/** A span of the control plane's store, in Zipkin v2 shape; duration in microseconds. */
export interface SpanView {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  readonly name: string;
  readonly kind?: string;
  readonly duration: number;
  readonly localEndpoint?: { readonly serviceName?: string };
  readonly tags?: Record<string, string>;
}

/** The spans of a trace, once `complete` is content with them. */
export async function traceOf(
  tour: TourContext, traceId: string, complete: (spans: readonly SpanView[]) => boolean,
): Promise<readonly SpanView[]> {
  let spans: readonly SpanView[] = [];
  await until(`trace ${traceId} is complete`, async () => {
    spans = await spansOf(tour, traceId);
    return complete(spans);
  });
  return spans;
}

async function spansOf(tour: TourContext, traceId: string): Promise<readonly SpanView[]> {
  const answer = await tour.json(`/api/v2/trace/${traceId}`);
  return Array.isArray(answer) ? (answer as SpanView[]) : [];
}

const SERVICES = ['ingressgateway', 'productpage', 'details', 'reviews', 'ratings'];

function servicesOf(spans: readonly SpanView[], kind: string): Set<string> {
  return new Set(
    spans.filter((span) => span.kind === kind).map((span) => (span.localEndpoint?.serviceName ?? '').split('.')[0]!),
  );
}

export const oneTrace: Step = {
  title: '(g) one trace holds client and server spans of all services in one tree',
  run: async (tour) => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    await tour.page('jason', { 'x-b3-traceid': traceId, 'x-b3-spanid': '00000000000000f1', 'x-b3-sampled': '1' });
    const spans = await traceOf(tour, traceId, (all) =>
      SERVICES.slice(1).every((name) => servicesOf(all, 'SERVER').has(name))
      && ['ingressgateway', 'productpage', 'reviews'].every((name) => servicesOf(all, 'CLIENT').has(name)));
    const ids = new Set(spans.map((span) => span.id));
    const roots = spans.filter((span) => span.parentId === undefined || !ids.has(span.parentId));
    check(roots.length === 1, `one root is expected, not ${roots.map((span) => span.name).join(', ')}`);
    const services = new Set(spans.map((span) => span.localEndpoint?.serviceName));
    return `${spans.length} spans of ${services.size} services under one root "${roots[0]!.name}"`;
  },
};
