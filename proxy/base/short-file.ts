// Reads a small file whole, such as a token or a bundle: what is larger than expected is refused, not read.
import { open } from 'node:fs/promises';
import { messageOf } from './error.ts';

/** As UTF-8 text. Rejects with an Error that names the file. */
export async function readShort(path: string, bytesMax: number): Promise<string> {
  try {
    await using file = await open(path);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(bytesMax + 1), 0, bytesMax + 1, 0);
    if (bytesRead <= bytesMax) return buffer.toString('utf8', 0, bytesRead);
  } catch (cause) {
    throw new Error(`${path}: cannot be read: ${messageOf(cause)}`, { cause });
  }
  throw new Error(`${path}: is longer than ${bytesMax} bytes`);
}
