// The upstream of the comparison where nginx is not installed: a fixed answer over raw sockets,
// on every port of its arguments.
import { createServer } from 'node:net';
import type { Socket } from 'node:net';

const BODY = '{"id":0,"reviews":[{"reviewer":"Reviewer1","text":"An extremely entertaining play"}]}';
const ANSWER = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`;
const END = '\r\n\r\n';

/** Requests have no bodies here, so every empty line is one request. */
function serve(socket: Socket): void {
  let rest = '';
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    rest += chunk.toString('latin1');
    let out = '';
    for (let end = rest.indexOf(END); end !== -1; end = rest.indexOf(END)) {
      rest = rest.slice(end + END.length);
      out += ANSWER;
    }
    if (out !== '') socket.write(out, 'latin1');
  });
}

for (const port of process.argv.slice(2)) createServer(serve).listen(Number(port), '127.0.0.1');
