// What the buffer filter is told for one route: another limit, or none.
import type { BufferPerRoute } from '../config/buffer.ts';

export class BufferRouteSettings {
  /** Undefined: bodies are not held. */
  readonly bytesMax: number | undefined;

  constructor({ buffer }: BufferPerRoute) {
    this.bytesMax = buffer?.maxRequestBytes;
  }
}
