// End-to-end header fields of one message: the only header container of the data plane, shared by all codecs.
import { isFieldValue } from './char-class.ts';

/**
 * An ordered list of fields. Names are lower-case ASCII, values latin1 text without CR, LF, NUL. Framing and hop-by-hop
 * fields (content-length, transfer-encoding, connection, host, upgrade, te, …) never live here: the codec keeps them as
 * typed values of the message head.
 */
export class Headers {
  /** Flat [name, value, name, value, …]; read by serialisers. */
  readonly fields: string[];
  /** The sender's spelling of each name, by field index, where case is preserved. */
  wireNames: (string | undefined)[] | undefined = undefined;
  /** All fields are known to be sendable: a parser checked their bytes. Serialisers check those of others (S49). */
  verified = false;

  constructor(fields: string[] = []) {
    this.fields = fields;
  }

  /** Number of fields. */
  get count(): number {
    return this.fields.length >> 1;
  }

  nameAt(index: number): string {
    return this.fields[index << 1]!;
  }

  valueAt(index: number): string {
    return this.fields[(index << 1) + 1]!;
  }

  /** The first value of a name, or undefined. */
  get(name: string): string | undefined {
    const fields = this.fields;
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /**
   * All values of a name joined by a comma, as policy and regex matches see them; undefined when absent. Empty elements
   * of a list say nothing (RFC 9110 section 5.6.1).
   */
  joined(name: string): string | undefined {
    const fields = this.fields;
    let value: string | undefined;
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] !== name) continue;
      const more = fields[i + 1]!;
      if (value === undefined || value === '') value = more;
      else if (more !== '') value = `${value},${more}`;
    }
    return value;
  }

  /** A value that cannot be sent (CR, LF, NUL, not latin1) is not taken. */
  append(name: string, value: string): void {
    if (isFieldValue(value)) this.fields.push(name, value);
  }

  /** Replaces every field of this name by one, in the place of the first. A value that cannot be sent leaves none. */
  set(name: string, value: string): void {
    if (!isFieldValue(value)) {
      this.remove(name);
      return;
    }
    const fields = this.fields;
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] === name) {
        fields[i + 1] = value;
        this.#removeFrom(name, i + 2);
        return;
      }
    }
    fields.push(name, value);
  }

  remove(name: string): void {
    this.#removeFrom(name, 0);
  }

  clone(): Headers {
    const copy = new Headers(this.fields.slice());
    copy.wireNames = this.wireNames?.slice();
    copy.verified = this.verified;
    return copy;
  }

  #removeFrom(name: string, start: number): void {
    const fields = this.fields;
    let i = start;
    while (i < fields.length && fields[i] !== name) i += 2;
    if (i >= fields.length) return;
    let kept = i;
    for (; i < fields.length; i += 2) {
      if (fields[i] === name) continue;
      fields[kept] = fields[i]!;
      fields[kept + 1] = fields[i + 1]!;
      if (this.wireNames !== undefined) this.wireNames[kept >> 1] = this.wireNames[i >> 1];
      kept += 2;
    }
    fields.length = kept;
    if (this.wireNames !== undefined) this.wireNames.length = Math.min(this.wireNames.length, kept >> 1);
  }
}
