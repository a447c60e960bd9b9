// The spans of one trace as the tree of calls that they report.
import type { Span } from './span.ts';
import type { Trace } from './trace-store.ts';

/** A span with those that it caused, by start time. Plain JSON, as /api/trace/<id> answers it. */
export interface SpanNode {
  readonly id: string;
  readonly parentId: string | undefined;
  readonly name: string;
  readonly kind: string;
  readonly service: string;
  readonly remote: string;
  /** Unix time in microseconds, and microseconds. */
  readonly timestamp: number;
  readonly duration: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly children: SpanNode[];
}

export interface TraceTree {
  readonly traceId: string;
  readonly spans: number;
  /** More than one when a parent has not arrived (or was never sampled). */
  readonly roots: readonly SpanNode[];
}

/** Builds the tree; a span whose parent is unknown, or who is its own ancestor, is a root. */
export function treeOf(trace: Trace): TraceTree {
  const ordered = [...trace.spans].sort((a, b) => a.timestampUs - b.timestampUs);
  const nodes = ordered.map((span) => ({ span, node: nodeOf(span) }));
  const byId = new Map<string, SpanNode>();
  // A shared id is the client's: its server half hangs below it and takes the children.
  for (const { span, node } of nodes) if (!span.shared || !byId.has(span.id)) byId.set(span.id, node);
  const parents = new Map<SpanNode, SpanNode>();
  const roots: SpanNode[] = [];
  for (const { span, node } of nodes) {
    const parent = parentOf(span, node, byId);
    if (parent === undefined || isAncestor(node, parent, parents)) {
      roots.push(node);
      continue;
    }
    parents.set(node, parent);
    parent.children.push(node);
  }
  return { traceId: trace.traceId, spans: trace.spans.length, roots };
}

function parentOf(span: Span, node: SpanNode, byId: ReadonlyMap<string, SpanNode>): SpanNode | undefined {
  const client = byId.get(span.id);
  if (span.shared && client !== undefined && client !== node) return client;
  return span.parentId === undefined ? undefined : byId.get(span.parentId);
}

function remoteText({ remote }: Span): string {
  if (remote.serviceName !== '') return remote.serviceName;
  return remote.port === 0 ? remote.ip : `${remote.ip}:${remote.port}`;
}

function isAncestor(node: SpanNode, of: SpanNode, parents: ReadonlyMap<SpanNode, SpanNode>): boolean {
  for (let at: SpanNode | undefined = of; at !== undefined; at = parents.get(at)) if (at === node) return true;
  return false;
}

function nodeOf(span: Span): SpanNode {
  const tags: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [key, value] of span.tags) tags[key] = value;
  return {
    id: span.id,
    parentId: span.parentId,
    name: span.name,
    kind: span.kind,
    service: span.local.serviceName,
    remote: remoteText(span),
    timestamp: span.timestampUs,
    duration: span.durationUs,
    tags,
    children: [],
  };
}
