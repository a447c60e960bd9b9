// Where a listener filter is off (envoy.config.listener.v3.ListenerFilterChainMatchPredicate).
import { Int32Range } from './percent.ts';
import { bool } from './scalar.ts';
import { exactlyOne, list, message, optional, recursive, Refusal, required, type Schema,
  type Static } from './schema.ts';

const NAME = 'envoy.config.listener.v3.ListenerFilterChainMatchPredicate';

const MatchSet = message(`${NAME}.MatchSet`, {
  rules: required(list(recursive<ListenerFilterPredicate>((): Schema => ListenerFilterPredicate), { min: 2 }),
    'At least two.'),
});

export const ListenerFilterPredicate = message(NAME, {
  orMatch: optional(MatchSet, 'Any of them.'),
  andMatch: optional(MatchSet, 'All of them.'),
  notMatch: optional(recursive<ListenerFilterPredicate>((): Schema => ListenerFilterPredicate), 'Not this.'),
  anyMatch: optional(bool(), 'Always; only true.'),
  destinationPortRange: optional(Int32Range, 'By the port that the connection was made to; end is exclusive.'),
}, {
  oneOf: [exactlyOne('or_match', 'and_match', 'not_match', 'any_match', 'destination_port_range')],
  check: ({ anyMatch }) => (anyMatch === false ? new Refusal('must be true', ['anyMatch']) : undefined),
});
export interface ListenerFilterPredicate extends Static<typeof ListenerFilterPredicate> {}
