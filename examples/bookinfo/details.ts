// Bookinfo's details service: the facts of a book.
import { productId, serve } from './service.ts';

serve('details', (_incoming, url) => {
  const id = productId(url, 'details');
  if (id === undefined) return { status: 400, body: { error: 'please provide numeric product id' } };
  return {
    status: 200,
    body: {
      id, author: 'William Shakespeare', year: 1595, type: 'paperback', pages: 200, publisher: 'PublisherA',
      language: 'English',
      'ISBN-10': '1234567890', 'ISBN-13': '123-1234567890',
    },
  };
});
