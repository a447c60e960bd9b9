// Clients by node:http that open a connection for each request.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';

/** One request, answered with 200, on a connection of its own, which is closed. */
export async function askOnce(port: number): Promise<void> {
  const sent = request({ port, host: '127.0.0.1', agent: false, headers: { connection: 'close' } });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  response.resume();
  await once(response, 'close');
}

/** `count` requests by `atOnce` clients, each of which asks again as soon as it has its answer. */
export async function askSteadily(port: number, count: number, atOnce: number): Promise<void> {
  let left = count;
  const client = async (): Promise<void> => {
    while (left-- > 0) await askOnce(port);
  };
  await Promise.all(Array.from({ length: atOnce }, client));
}
