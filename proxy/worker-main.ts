// A worker thread: takes configuration from the supervisor, serves traffic, reports what it did.
import { parentPort, workerData } from 'node:worker_threads';
import { harden } from './base/harden.ts';
import { RestCollection } from './base/rest-collection.ts';
import { WorkerProxy } from './proxy.ts';
import type { FromWorker, ToWorker, WorkerStart } from './supervisor/messages.ts';

harden();

const port = parentPort!;
const send = (message: FromWorker): void => port.postMessage(message);
const start = workerData as WorkerStart;
const proxy = new WorkerProxy(start, send);
/** The main thread is 0. */
const rest = new RestCollection(start.workerIndex + 1);

/** One batch after the other: a listener may need the routes of the batch before. */
let queue: Promise<void> = Promise.resolve();

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'config':
      queue = queue.then(async () => {
        send({ kind: 'applied', id: message.id, applied: await proxy.apply(message.batch) });
        rest.touch();
      });
      break;
    case 'virtual-hosts':
      queue = queue.then(async () => {
        await proxy.addVirtualHosts(message.route, message.hosts);
        send({ kind: 'applied', id: message.id, applied: { refused: [] } });
      });
      break;
    case 'drain':
      proxy.drain(message.inboundOnly);
      break;
    case 'undrain':
      proxy.undrain();
      break;
    case 'stop-listening':
      proxy.stopListening(message.inboundOnly);
      break;
    case 'log-level':
      proxy.setLogLevel(message.level, message.component);
      break;
    case 'learn':
      proxy.learn(message.clusters);
      break;
    case 'login-answer':
      proxy.answerLogin(message.id, message.answer);
      break;
    case 'demanded':
      // After what it brought, which may still be in the queue.
      queue = queue.then(() => proxy.answerDemand(message.table, message.authority, message.answer));
      break;
    case 'reopen-logs':
      proxy.reopenLogs();
      break;
    case 'stop':
      void queue.then(() => proxy.stop()).then(() => port.close());
      break;
  }
});

send({ kind: 'started' });
