// The admin home page: every command with what it does.
import type { AdminResponse } from './admin-response.ts';

export interface CommandHelp {
  readonly path: string;
  readonly method: 'GET' | 'POST';
  readonly help: string;
}

export function indexPage(commands: readonly CommandHelp[], title: string): AdminResponse {
  const rows = commands.map(({ path, method, help }) => {
    const link = method === 'GET'
      ? `<a href="${escapeHtml(path)}">${escapeHtml(path)}</a>`
      : `<form method="post" action="${escapeHtml(path)}"><button>${escapeHtml(path)}</button></form>`;
    return `<tr><td>${link}</td><td>${escapeHtml(help)}</td></tr>`;
  });
  const body = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>
<style>body{font:15px system-ui,sans-serif;margin:2em}td{padding:.2em 1em .2em 0}form{margin:0}</style></head>
<body><h1>${escapeHtml(title)}</h1><table>${rows.join('\n')}</table></body></html>
`;
  return { status: 200, contentType: 'text/html; charset=UTF-8', body };
}

/** For text and quoted attributes. */
export function escapeHtml(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
    .replaceAll('\'', '&#39;');
}
