// Bookinfo's ratings service: stars by reviewer, kept in memory; POST changes them.
import type { Answer } from './service.ts';
import { productId, readAll, serve } from './service.ts';

const posted = new Map<number, Record<string, number>>();
const PRODUCTS_MAX = 1000;

serve('ratings', async (incoming, url) => {
  const id = productId(url, 'ratings');
  if (id === undefined) return { status: 400, body: { error: 'please provide numeric product ID' } };
  if (incoming.method === 'POST') return store(id, await readAll(incoming));
  return { status: 200, body: { id, ratings: posted.get(id) ?? { Reviewer1: 5, Reviewer2: 4 } } };
});

function store(id: number, text: string): Answer {
  let ratings: unknown;
  try {
    ratings = JSON.parse(text);
  } catch {
    return { status: 400, body: { error: 'please provide valid ratings JSON' } };
  }
  if (!isRatings(ratings)) return { status: 400, body: { error: 'ratings are numbers by reviewer' } };
  if (posted.size >= PRODUCTS_MAX && !posted.has(id)) {
    return { status: 507, body: { error: 'too many rated products' } };
  }
  posted.set(id, ratings);
  return { status: 200, body: { id, ratings } };
}

function isRatings(value: unknown): value is Record<string, number> {
  return typeof value === 'object' && value !== null
    && Object.values(value).every((stars) => typeof stars === 'number');
}
