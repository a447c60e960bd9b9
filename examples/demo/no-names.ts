// The resolver of the demo's network, where a cluster has its own: beyond the mesh there is no name, and it says so at
// once. Silence would have each question for an unknown name take seconds.
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { AUTHORITATIVE_ANSWER, decode, encode } from 'dns-packet';
import type { Packet } from 'dns-packet';

const NXDOMAIN = 3;

/** Answers NXDOMAIN to everything that comes to an address by UDP; does not keep the process. */
export function answerNoNames(host: string, port = 53): Socket {
  const socket = createSocket('udp4');
  socket.on('message', (message, { address, port: from }) => {
    const answer = refusal(message);
    if (answer !== undefined) socket.send(answer, from, address);
  });
  return socket.bind(port, host).unref();
}

/** Undefined: it was no question. */
function refusal(message: Buffer): Buffer | undefined {
  try {
    const { id, questions, type } = decode(message);
    if (type !== 'query') return undefined;
    // dns-packet ORs flags as they are into the header, whose last four bits are the code.
    const answer: Packet = { id, type: 'response', flags: AUTHORITATIVE_ANSWER | NXDOMAIN, questions };
    return encode(answer);
  } catch {
    return undefined;
  }
}
