// The web server of the tasks: says which instance answered; slow, failing or broken when it is asked to be.
import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { serve } from '../../bookinfo/service.ts';
import type { Answer } from '../../bookinfo/service.ts';

const { POD_NAME: name = 'web', VERSION: version = 'v1', LOCALITY: locality = '' } = process.env;
const DELAY_MAX_S = 30;
let broken = false;

serve(name, async (incoming, url) => {
  process.stdout.write(`${name} got ${incoming.method} ${incoming.url} for ${incoming.headers.host}\n`);
  const [, first, second = ''] = url.pathname.split('/');
  if (incoming.method === 'POST' && (first === 'break' || first === 'mend')) {
    broken = first === 'break';
    return text(200, `${name} is ${broken ? 'broken' : 'well'}`);
  }
  if (broken) return text(503, `${name} is broken`);
  if (first === 'status' && /^[2-5]\d\d$/.test(second)) return text(Number(second), `${name} says ${second}`);
  if (first === 'delay' && /^\d+(\.\d+)?$/.test(second)) await delay(Math.min(DELAY_MAX_S, Number(second)) * 1000);
  return first === 'headers' ? headersOf(incoming) : text(200, `hello from ${whoAmI()}`);
});

function whoAmI(): string {
  return locality === '' ? `${name} (${version})` : `${name} in ${locality}`;
}

function headersOf({ headers }: IncomingMessage): Answer {
  return text(200, Object.entries(headers).map(([field, value]) => `${field}: ${String(value)}`).join('\n'));
}

function text(status: number, line: string): Answer {
  return { status, body: `${line}\n`, headers: { 'content-type': 'text/plain; charset=utf-8' } };
}
