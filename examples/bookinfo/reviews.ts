// Bookinfo's reviews service: v1 has no stars, v2 black ones, v3 red ones, which it asks ratings for.
import type { IncomingMessage } from 'node:http';
import { call, carriedHeaders, productId, serve } from './service.ts';

const version = process.env['VERSION'] ?? 'v1';
const COLORS = new Map([['v2', 'black'], ['v3', 'red']]);
const color = COLORS.get(version);

/** As in the original: longer than any fault that the tour injects, so that the caller's patience is what runs out. */
const RATINGS_TIMEOUT_MS = 10_000;

const TEXTS = [
  ['Reviewer1', 'An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!'],
  [
    'Reviewer2',
    'Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare.',
  ],
] as const;

serve(`reviews-${version}`, async (incoming, url) => {
  const id = productId(url, 'reviews');
  if (id === undefined) return { status: 400, body: { error: 'please provide numeric product id' } };
  const stars = color === undefined ? undefined : await ratingsOf(id, incoming);
  const reviews = TEXTS.map(
    ([reviewer, text]) => (stars === undefined ? { reviewer, text } : { reviewer, text, rating: stars(reviewer) }),
  );
  return { status: 200, body: { id, podname: process.env['POD_NAME'] ?? `reviews-${version}`, version, reviews } };
});

/** Stars by reviewer, or what to show in their place. */
async function ratingsOf(id: number, incoming: IncomingMessage): Promise<(reviewer: string) => unknown> {
  const unavailable = (): unknown => ({ error: 'Ratings service is currently unavailable' });
  try {
    const reply = await call('ratings', `/ratings/${id}`, carriedHeaders(incoming.headers), RATINGS_TIMEOUT_MS);
    if (reply.status !== 200) return unavailable;
    const { ratings } = reply.body as { ratings: Record<string, number> };
    return (reviewer) => ({ stars: ratings[reviewer] ?? 0, color });
  } catch {
    return unavailable;
  }
}
