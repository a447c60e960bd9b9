// The TCP server of the tasks: sends each line back behind the name of its version.
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

const { HOST: host = '127.0.0.1', PORT: port = '9000', VERSION: version = 'v1' } = process.env;
const server = createServer((socket) => {
  createInterface({ input: socket, crlfDelay: Infinity }).on('line', (line) => socket.write(`${version}: ${line}\n`));
  // A peer that goes away in the middle is its own affair.
  socket.on('error', () => socket.destroy());
});
server.listen(Number(port), host);
process.once('SIGTERM', () => server.close());
