// `weft done`: tells the proxy that the application has done its work, so that it ends too.
import { parseArgs } from 'node:util';
import { messageOf } from '../proxy/base/error.ts';
import { LifecycleClient, requiredLifeSocket } from './lifecycle-client.ts';

const ANSWER_MS = 5000;

export const HELP = `usage: weft done [--socket PATH]

Tells the proxy whose bootstrap names this socket (node.metadata.WEFT_LIFECYCLE) that the application has done its work:
it drains and ends. PATH is by default what WEFT_LIFECYCLE_SOCKET says, which injection sets
(sidecar.weft.dev/lifecycle). Without weft: echo '{"app":"done"}' | nc -U PATH
`;

const OPTIONS = { socket: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const socket = requiredLifeSocket(values.socket);
  try {
    const client = await LifecycleClient.say(socket, 'done');
    const word = await client.next(ANSWER_MS);
    client.close();
    if (word?.state === 'draining') return 0;
    process.stderr.write(`weft done: ${word?.error ?? 'the proxy does not answer'}\n`);
    return 1;
  } catch (cause) {
    process.stderr.write(`weft done: no proxy at ${socket}: ${messageOf(cause)}\n`);
    return 1;
  }
}
