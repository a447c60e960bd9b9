// The product page as HTML: no script, no outside resource, light and dark.

/** One part of the page: what came, or why nothing came. */
export interface Part {
  readonly status: number;
  readonly body: unknown;
}

export interface ProductPage {
  readonly product: { readonly id: number; readonly title: string };
  readonly user: string | undefined;
  readonly details: Part;
  readonly reviews: Part;
}

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d8dce3, #3a404b); --soft: light-dark(#f5f6f8, #1d2129); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 0 1.5rem 3rem; }
header { align-items: baseline; border-bottom: 1px solid var(--line); display: flex; gap: 1rem;
  justify-content: space-between; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.1rem; margin-top: 0; }
main { display: grid; gap: 1.5rem; grid-template-columns: 1fr 2fr; margin-top: 1.5rem; }
section { background: var(--soft); border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.25rem; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem; } blockquote { margin: 0 0 1rem; }
.black { color: light-dark(#111, #eee); } .red { color: light-dark(#c01c28, #ff6b6b); }
.error { color: light-dark(#a51d2d, #ff8f8f); }
@media (max-width: 40rem) { main { grid-template-columns: 1fr; } }`;

export function renderPage(page: ProductPage): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(page.product.title)}</title><style>${STYLE}</style></head>
<body><header><h1>${escape(page.product.title)}</h1>${session(page.user)}</header>
<main><section aria-label="Book details"><h2>Book details</h2>${details(page.details)}</section>
<section aria-label="Book reviews"><h2>Book reviews</h2>${reviews(page.reviews)}</section></main></body></html>
`;
}

function session(user: string | undefined): string {
  if (user !== undefined) return `<p>Signed in as <b>${escape(user)}</b> · <a href="/logout">Sign out</a></p>`;
  return '<form method="post" action="/login">'
    + '<label>User <input name="username" size="10" required placeholder="jason"></label> '
    + '<button>Sign in</button></form>';
}

function details(part: Part): string {
  if (part.status !== 200) return error(part);
  const rows = Object.entries(part.body as Record<string, unknown>).filter(([name]) => name !== 'id');
  const list = rows.map(([name, value]) => `<dt>${escape(name)}</dt><dd>${escape(String(value))}</dd>`);
  return `<dl>${list.join('')}</dl>`;
}

interface Review {
  readonly reviewer: string;
  readonly text: string;
  readonly rating?: { readonly stars?: number; readonly color?: string; readonly error?: string };
}

function reviews(part: Part): string {
  if (part.status !== 200) return error(part);
  const { reviews: list, podname } = part.body as { reviews: Review[]; podname: string };
  const quotes = list.map((review) => `<blockquote><p>“${escape(review.text)}”</p>`
    + `<small>— ${escape(review.reviewer)}</small>${stars(review)}</blockquote>`);
  return `${quotes.join('')}<small>Reviews served by ${escape(podname)}</small>`;
}

function stars({ rating }: Review): string {
  if (rating === undefined) return '';
  if (rating.stars === undefined) return `<p class="error">${escape(rating.error ?? 'No rating')}</p>`;
  const count = Math.max(0, Math.min(5, Math.round(rating.stars)));
  const color = rating.color === 'red' ? 'red' : 'black';
  return `<p class="${color}" aria-label="${count} of 5 stars">${'★'.repeat(count)}${'☆'.repeat(5 - count)}</p>`;
}

function error(part: Part): string {
  const { error: text } = part.body as { error?: string };
  return `<p class="error">${escape(text ?? `error ${part.status}`)}</p>`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
