// What a client gets that an authorization service denies: the service's status, headers and body.
import { FRAMING } from '../route/header-operations.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import { isSendable } from './ext-authz-answer.ts';
import type { AuthAnswer } from './ext-authz-answer.ts';
import type { LocalReply } from './filter.ts';

/** Statuses that end a request (RFC 9110 section 15); others become 403. */
const STATUS_MIN = 200;
const STATUS_MAX = 599;

export function denialReply({ status, headers, body }: AuthAnswer, bodyCharactersMax: number): LocalReply {
  // There is nothing yet that could be appended to.
  const words = headers.filter((word) =>
    word.way !== 'append' && isSendable(word) && !FRAMING.has(word.name) && word.name !== 'host');
  return {
    status: status >= STATUS_MIN && status <= STATUS_MAX ? status : 403,
    body: body.slice(0, bodyCharactersMax),
    detail: 'ext_authz_denied', flags: flagBit('UAEX'),
    headers: words.map(({ name, value }) => [name, value] as const),
  };
}
