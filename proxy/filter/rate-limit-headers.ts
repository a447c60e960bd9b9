// x-ratelimit headers of the third draft (draft-polli-ratelimit-headers-03), as Envoy makes them of a service's answer.
import type { Headers } from '../http/headers.ts';
import type { DescriptorStatus } from './rate-limit-messages.ts';

/** About the limit that is nearest, with all of them as the policy. */
export function limitHeaders(headers: Headers, statuses: readonly DescriptorStatus[]): void {
  let nearest: DescriptorStatus | undefined;
  let policy = '';
  for (const status of statuses) {
    if (status.limit === 0) continue;
    if (nearest === undefined || status.remaining < nearest.remaining) nearest = status;
    if (status.unitSeconds === 0) continue;
    policy += `, ${status.limit};w=${status.unitSeconds}`;
    if (status.name !== '') policy += `;name="${status.name}"`;
  }
  if (nearest === undefined) return;
  headers.append('x-ratelimit-limit', `${nearest.limit}${policy}`);
  headers.append('x-ratelimit-remaining', String(nearest.remaining));
  headers.append('x-ratelimit-reset', String(nearest.resetSeconds));
}
