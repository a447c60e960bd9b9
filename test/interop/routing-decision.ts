// What routes decide of an exchange, without what each proxy does in its own way.
import type { Echo } from '../harness/echo-server.ts';
import type { RawAnswer } from '../harness/raw-client.ts';
import { VOLATILE_REQUEST_HEADERS } from './differences.ts';

/** How a message is carried and when is not what routes decide. */
const NOT_ROUTED = ['date', 'server', 'connection', 'content-length', 'transfer-encoding',
  'x-envoy-upstream-service-time', 'keep-alive'];

export function decision(answer: RawAnswer): unknown {
  const headers = answer.headers.filter(([name]) => !NOT_ROUTED.includes(name)).map(([name, value]) =>
    `${name}: ${value}`);
  return { status: answer.status, headers: headers.toSorted(),
    body: answer.body.startsWith('{"server"') ? reached(answer.body) : answer.body };
}

/** What an echo says that it got. */
function reached(body: string): unknown {
  const { server, method, url, headers } = JSON.parse(body) as Echo;
  const ignored = [...NOT_ROUTED, ...VOLATILE_REQUEST_HEADERS];
  const fields = Object.entries(headers).filter(([name]) => !ignored.includes(name)).map(([name, value]) =>
    `${name}: ${value}`);
  return { server, method, url, fields: fields.toSorted() };
}
