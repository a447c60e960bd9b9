// Authorization services that speak plain HTTP: the call, and what its answer's status and headers mean.
import type { MetadataStruct } from '../telemetry/dynamic-metadata.ts';
import type { Headers } from '../http/headers.ts';
import { RequestHead } from '../http/message.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import { FRAMING } from '../route/header-operations.ts';
import { emptyAnswer } from './ext-authz-answer.ts';
import type { AuthAnswer, HeaderWay } from './ext-authz-answer.ts';
import type { CheckFacts } from './ext-authz-facts.ts';
import type { HttpTarget, NameSet } from './ext-authz-settings.ts';
import type { HttpAnswer } from './http-call.ts';

/** Its values name headers that are taken from the request. */
const HEADERS_TO_REMOVE = 'x-envoy-auth-headers-to-remove';

const OK = 200;

/** A request for the service: the client's own in method, authority and path, with the headers that it is told. */
export function checkHead(target: HttpTarget, { headers, body }: CheckFacts, info: StreamInfo): RequestHead {
  const head = new RequestHead('GET', target.authority, '/');
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    const value = headers[i + 1]!;
    if (name === ':method') head.method = value;
    else if (name === ':authority') head.authority = value;
    else if (name === ':path') head.path = target.pathOverride || target.pathPrefix + value;
    else if (!name.startsWith(':') && !FRAMING.has(name)) head.headers.append(name, value);
  }
  head.contentLength = body?.length ?? 0;
  target.headersToAdd?.apply(head.headers, info);
  head.headers.set('x-envoy-internal', 'true');
  if (target.timeoutMs > 0) head.headers.set('x-envoy-expected-rq-timeout-ms', String(target.timeoutMs));
  return head;
}

/** Undefined: the service has failed. */
export function answerOfHttp({ head, body }: HttpAnswer, target: HttpTarget): AuthAnswer | undefined {
  if (head.status >= 500) return undefined;
  const answer = emptyAnswer();
  answer.allows = head.status === OK;
  answer.metadata = metadataOf(head.headers, target.metadata);
  if (answer.allows) {
    takeHeaders(answer, head.headers, target);
    return answer;
  }
  answer.status = head.status;
  answer.body = body.toString('latin1');
  for (let i = 0; i < head.headers.count; i++) {
    const name = head.headers.nameAt(i);
    const told = target.client === undefined || ALWAYS_TOLD.has(name) || target.client.has(name);
    if (told) answer.headers.push({ name, value: head.headers.valueAt(i), way: 'set' });
  }
  return answer;
}

/** Headers of denials that clients get in any case. */
const ALWAYS_TOLD: ReadonlySet<string> = new Set(['location', 'www-authenticate']);

function takeHeaders(answer: AuthAnswer, headers: Headers, target: HttpTarget): void {
  const { upstream, upstreamToAppend, clientOnSuccess } = target;
  for (let i = 0; i < headers.count; i++) {
    const name = headers.nameAt(i);
    const value = headers.valueAt(i);
    if (name === HEADERS_TO_REMOVE) {
      answer.removed.push(...value.split(',').map((part) => part.trim()).filter((part) => part !== ''));
      continue;
    }
    const word = (way: HeaderWay) => ({ name, value, way });
    if (upstream?.has(name) === true) answer.headers.push(word('set'));
    if (upstreamToAppend?.has(name) === true) answer.headers.push(word('add'));
    if (clientOnSuccess?.has(name) === true) answer.responseHeaders.push(word('add'));
  }
}

function metadataOf(headers: Headers, names: NameSet | undefined): MetadataStruct | undefined {
  if (names === undefined) return undefined;
  const found: [string, string][] = [];
  for (let i = 0; i < headers.count; i++) {
    const name = headers.nameAt(i);
    if (names.has(name)) found.push([name, headers.valueAt(i)]);
  }
  return found.length === 0 ? undefined : Object.fromEntries(found);
}
