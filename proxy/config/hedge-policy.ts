// Tries of one request that race each other (envoy.config.route.v3.HedgePolicy).
import { bool } from './scalar.ts';
import { message, optional, type Static } from './schema.ts';

export const HedgePolicy = message('envoy.config.route.v3.HedgePolicy', {
  hedgeOnPerTryTimeout: optional(bool(), 'A try that takes longer than per_try_timeout goes on beside the next one, '
    + 'and the first good answer is taken; the retry policy says how many there may be. Default false.'),
}, {
  warned: { 'Envoy ignores it, too': ['initial_requests', 'additional_request_chance'] },
});
export interface HedgePolicy extends Static<typeof HedgePolicy> {}
