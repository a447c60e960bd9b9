// The one plain page that shows recent traces and, with ?id=, one of them as a tree. Everything foreign is escaped.
import type { TraceSummary } from './trace-store.ts';
import type { SpanNode, TraceTree } from './trace-tree.ts';

const STYLE = [
  'body{font:14px/1.5 system-ui,sans-serif;margin:2em;max-width:75em}',
  'table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3em .8em;border-bottom:1px solid #8884}',
  'td.n{text-align:right;font-variant-numeric:tabular-nums}small{color:#777}.error{color:#b00}a{color:inherit}',
  'ul{list-style:none;padding-left:1.4em;border-left:1px solid #8886}',
].join('');

/** The list of recent traces. */
export function traceListPage(traces: readonly TraceSummary[]): string {
  if (traces.length === 0) return page('Recent traces', '<p>No spans have arrived yet.</p>');
  const head = '<tr><th>trace</th><th>start</th><th>time</th><th>spans</th><th>services</th><th></th></tr>';
  return page('Recent traces', `<table>${head}${traces.map(traceRow).join('')}</table>`);
}

function traceRow(trace: TraceSummary): string {
  const link = `<a href="/traces?id=${escapeHtml(trace.traceId)}">${escapeHtml(trace.name || trace.traceId)}</a>`;
  const start = new Date(trace.startMs).toISOString();
  return `<tr><td>${link}</td><td>${start}</td><td class="n">${trace.durationMs.toFixed(1)} ms</td>
<td class="n">${trace.spans}</td><td>${escapeHtml(trace.services.join(', '))}</td>
<td class="error">${trace.error ? 'error' : ''}</td></tr>`;
}

/** One trace. */
export function tracePage(tree: TraceTree): string {
  const start = tree.roots.reduce((least, node) => Math.min(least, node.timestamp), Infinity);
  const id = escapeHtml(tree.traceId);
  const links = `<p><a href="/traces">all traces</a> · <a href="/api/trace/${id}">as JSON</a></p>`;
  const items = tree.roots.map((node) => spanItem(node, start, 0));
  return page(`Trace ${tree.traceId}`, `${links}<ul>${items.join('')}</ul>`);
}

/** The page that says that a trace is unknown. */
export function noTracePage(): string {
  const link = '<a href="/traces">All traces</a>';
  return page('Unknown trace', `<p>No such trace, or it has made room for newer ones. ${link}</p>`);
}

/** Bounded, so that a hostile chain of spans cannot exhaust the stack. */
const DEPTH_MAX = 100;

function spanItem(node: SpanNode, startUs: number, depth: number): string {
  const tags = Object.entries(node.tags).map(([key, value]) => `${key}=${value}`).join(' ');
  const failed = 'error' in node.tags ? ' class="error"' : '';
  const offset = ((node.timestamp - startUs) / 1000).toFixed(1);
  const children = depth < DEPTH_MAX ? node.children.map((child) => spanItem(child, startUs, depth + 1)).join('') : '';
  const title = `<b>${escapeHtml(node.service)}</b> ${escapeHtml(node.kind)} ${escapeHtml(node.name)}`;
  return `<li><span${failed}>${title}</span> ${(node.duration / 1000).toFixed(1)} ms at +${offset} ms<br>
<small>${escapeHtml(tags)}</small>${children === '' ? '' : `<ul>${children}</ul>`}</li>`;
}

function page(title: string, body: string): string {
  const head = `<meta charset="utf-8"><title>${escapeHtml(title)}</title><style>${STYLE}</style>`;
  return `<!doctype html><html lang="en">${head}<h1>${escapeHtml(title)}</h1>${body}</html>`;
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'], ['<', '&lt;'], ['>', '&gt;'], ['"', '&quot;'], ["'", '&#39;'],
]);

/** For text and for attribute values in quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ESCAPES.get(char) ?? char);
}
