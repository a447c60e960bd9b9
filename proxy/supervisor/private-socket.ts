// A unix socket for this user alone (S61): at no time can another user connect to it, whatever the umask is.
import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { connect } from 'node:net';
import type { Server } from 'node:net';
import { dirname, join } from 'node:path';
import { bindFailureText } from '../base/node-error.ts';
import { ConfigError, messageOf } from '../base/error.ts';

/** Of a path in sockaddr_un; longer ones would be cut. */
const PATH_BYTES_MAX = 107;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * Listens at `path` with mode 0600, or as is said. The socket is made in a folder of mode 0700 and moved to its place,
 * so that there is no moment between bind and chmod, and a link that lies there is replaced, not followed. Rejects with
 * a ConfigError for a folder in which others may replace files, for a path that is no socket, and while another process
 * serves it. Resolves to what removes it.
 */
export async function listenPrivately(server: Server, path: string, mode = 0o600): Promise<() => void> {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX - 24) throw new ConfigError('', 'is too long for a unix socket', path);
  checkFolder(dirname(path));
  await checkPlace(path);
  const draft = join(dirname(path), `.${randomBytes(6).toString('hex')}`);
  try {
    mkdirSync(draft, { mode: 0o700 });
    await listen(server, join(draft, 's'));
    chmodSync(join(draft, 's'), mode);
    renameSync(join(draft, 's'), path);
  } catch (cause) {
    if (server.listening) server.close();
    throw cause instanceof ConfigError ? cause : new ConfigError('', `cannot be served: ${messageOf(cause)}`, path);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  const own = lstatSync(path).ino;
  return () => {
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === own) rmSync(path, { force: true });
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => reject(new ConfigError('', bindFailureText(cause), path));
    server.once('error', fail);
    server.listen(path, () => {
      server.removeListener('error', fail);
      resolve();
    });
  });
}

/** Who may rename in the folder could put a socket of his own in place of ours. */
function checkFolder(folder: string): void {
  let stats: Stats;
  try {
    stats = statSync(folder);
  } catch (cause) {
    throw new ConfigError('', `cannot hold a socket: ${messageOf(cause)}`, folder);
  }
  if (!stats.isDirectory()) throw new ConfigError('', 'is not a folder', folder);
  const { mode } = stats;
  if ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0) {
    throw new ConfigError('', 'is open to other users, who could replace the socket; run: chmod go-w', folder);
  }
  const user = process.getuid?.();
  if (user !== undefined && stats.uid !== user && stats.uid !== 0) {
    throw new ConfigError('', `belongs to user ${stats.uid}, who could replace the socket`, folder);
  }
}

async function checkPlace(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined || stats.isSymbolicLink()) return;
  if (!stats.isSocket()) throw new ConfigError('', 'is there and is no socket: move it away', path);
  if (await isServed(path)) throw new ConfigError('', 'is served by another process', path);
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
