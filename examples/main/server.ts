// The simplest example's application: says which instance answered, and nothing more.
import { createServer } from 'node:http';

const name = process.env['INSTANCE'] ?? 'web';
const host = process.env['HOST'] ?? '127.0.0.1';
const server = createServer((_incoming, outgoing) => outgoing.end(`hello from ${name}\n`));
server.listen(Number(process.env['PORT'] ?? 8080), host, () => process.stdout.write(`${name} is ready\n`));
process.once('SIGTERM', () => server.close());
