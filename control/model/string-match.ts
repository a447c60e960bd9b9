// StringMatch: exact, prefix, or an RE2 expression over the whole text (networking.istio.io).
import { string } from '../../proxy/config/scalar.ts';
import { atMostOne, message, optional, type Static } from '../../proxy/config/schema.ts';
import { regex } from './scalar.ts';

export const StringMatch = message('istio.networking.v1.StringMatch', {
  exact: optional(string(), 'The whole text.'),
  prefix: optional(string({ minLength: 1 }), 'How it begins.'),
  regex: optional(regex(), 'RE2 over the whole text; `*` alone asks that the thing is there.'),
}, {
  oneOf: [atMostOne('exact', 'prefix', 'regex')],
});
export interface StringMatch extends Static<typeof StringMatch> {}

/** Without any of the three, or with Istio's regex `*`: the thing is there. */
export function isPresence(match: StringMatch): boolean {
  const empty = match.exact === undefined && match.prefix === undefined && match.regex === undefined;
  return empty || match.regex === '*';
}
