// Bookinfo's product page: asks details and reviews and shows a page for people, or the same as JSON.
import type { IncomingMessage } from 'node:http';
import type { Part, ProductPage } from './page.ts';
import { renderPage } from './page.ts';
import type { Answer, Reply } from './service.ts';
import { call, carriedHeaders, readAll, serve } from './service.ts';

/** Patience with reviews: one retry of 3 s, so that a delay of 7 s behind it shows (as in the original). */
const REVIEWS_TIMEOUT_MS = 3000;
const REVIEWS_TRIES = 2;
const DETAILS_TIMEOUT_MS = 3000;

serve('productpage', async (incoming, url) => {
  const json = url.pathname.startsWith('/api/') || (incoming.headers.accept ?? '').startsWith('application/json');
  if (url.pathname === '/login' && incoming.method === 'POST') return login(await readAll(incoming));
  if (url.pathname === '/logout') return seeOther('user=; path=/; max-age=0');
  if (url.pathname !== '/' && url.pathname !== '/productpage' && url.pathname !== '/api/v1/products/0') {
    return { status: 404, body: { error: `nothing at ${url.pathname}; try /productpage or /api/v1/products/0` } };
  }
  const page = await collect(incoming);
  return { status: 200, body: json ? page : renderPage(page) };
});

async function collect(incoming: IncomingMessage): Promise<ProductPage> {
  const user = userOf(incoming);
  const headers = { ...carriedHeaders(incoming.headers), ...(user !== undefined && { 'end-user': user }) };
  const [details, reviews] = await Promise.all([
    part('product details', 1, () => call('details', '/details/0', headers, DETAILS_TIMEOUT_MS)),
    part('product reviews', REVIEWS_TRIES, () => call('reviews', '/reviews/0', headers, REVIEWS_TIMEOUT_MS)),
  ]);
  return { product: { id: 0, title: 'The Comedy of Errors' }, user, details, reviews };
}

async function part(what: string, tries: number, get: () => Promise<Reply>): Promise<Part> {
  for (let attempt = 1; ; attempt++) {
    const reply = await get().catch(() => undefined);
    if (reply?.status === 200) return reply;
    if (attempt >= tries) {
      return {
        status: reply?.status ?? 500, body: { error: `Sorry, ${what} are currently unavailable for this book.` },
      };
    }
  }
}

/** The header of a test, or the cookie of a person who signed in. */
function userOf(incoming: IncomingMessage): string | undefined {
  const header = incoming.headers['end-user'];
  if (typeof header === 'string') return header;
  const cookie = (incoming.headers.cookie ?? '').split(/;\s*/).find((pair) => pair.startsWith('user='));
  return cookie === undefined ? undefined : asUser(cookie.slice('user='.length));
}

/** Names are short words: anything else is nobody. */
function asUser(text: string): string | undefined {
  return /^[A-Za-z0-9_-]{1,32}$/.test(text) ? text : undefined;
}

function login(form: string): Answer {
  const user = asUser(new URLSearchParams(form).get('username') ?? '');
  if (user === undefined) return { status: 400, body: { error: 'a user name is letters, digits, - and _' } };
  return seeOther(`user=${user}; path=/; httponly; samesite=strict`);
}

function seeOther(cookie: string): Answer {
  return { status: 303, body: '', headers: { location: '/productpage', 'set-cookie': cookie } };
}
