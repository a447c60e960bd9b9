// Trace context on the wire: reads B3 (single and multi) and W3C traceparent in one pass over a head, and writes them.
import { asciiLower } from '../base/ascii.ts';
import type { HeaderView } from './stream-info.ts';

/** Header fields that can be changed; http/headers.ts is what is behind it. */
export interface HeaderFields extends HeaderView {
  /** Flat [name, value, name, value, …]. */
  readonly fields: string[];
  append(name: string, value: string): void;
  set(name: string, value: string): void;
  remove(name: string): void;
}

/** Whether the sender decided on sampling. */
export type SampledFlag = 'yes' | 'no' | 'unsaid';

/** What is written. `parentId` is '' for a root. */
export interface OutgoingContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly sampled: boolean;
}

/** What the headers of one request say; one object is used again for every request. */
export class TraceContext {
  /** '' when there is no valid context. */
  traceId = '';
  spanId = '';
  parentId = '';
  sampled: SampledFlag = 'unsaid';
  /** x-client-trace-id and x-envoy-force-trace are there. */
  clientAsks = false;
  serviceAsks = false;
  /** Where B3's fields were found, as index of the name; -1 for absent. */
  #traceAt = -1;
  #spanAt = -1;
  #parentAt = -1;
  #sampledAt = -1;
  #flags = false;
  #single = false;
  #w3c = false;

  /** `w3c`: traceparent is read where there is no B3. */
  read(headers: HeaderFields, w3c: boolean): void {
    this.traceId = this.spanId = this.parentId = '';
    this.sampled = 'unsaid';
    this.clientAsks = this.serviceAsks = this.#flags = this.#single = this.#w3c = false;
    this.#traceAt = this.#spanAt = this.#parentAt = this.#sampledAt = -1;
    let single = '';
    let traceparent = '';
    const { fields } = headers;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i]!;
      switch (name.charCodeAt(0)) {
        case 0x78: // x
          this.#readExtension(name, fields[i + 1]!, i);
          break;
        case 0x62: // b
          if (name === 'b3') single = fields[i + 1]!;
          break;
        case 0x74: // t
          if (name === 'traceparent') traceparent = fields[i + 1]!;
          break;
      }
    }
    this.#choose(single, w3c ? traceparent : '');
  }

  /** Writes a context over what was read. */
  write(headers: HeaderFields, next: OutgoingContext, w3c: boolean): void {
    const { traceId, spanId, parentId, sampled } = next;
    put(headers, 'x-b3-traceid', traceId, this.#traceAt);
    put(headers, 'x-b3-spanid', spanId, this.#spanAt);
    put(headers, 'x-b3-sampled', sampled ? '1' : '0', this.#sampledAt);
    if (parentId !== '') put(headers, 'x-b3-parentspanid', parentId, this.#parentAt);
    else if (this.#parentAt !== -1) headers.remove('x-b3-parentspanid');
    if (this.#flags) headers.remove('x-b3-flags');
    // An application that passes both on would otherwise send two contexts that contradict each other.
    if (this.#single) headers.remove('b3');
    if (!w3c) return;
    const traceparent = `00-${traceId.padStart(32, '0')}-${spanId}-${sampled ? '01' : '00'}`;
    if (this.#w3c) headers.set('traceparent', traceparent);
    else headers.append('traceparent', traceparent);
  }

  /** Of repeated fields the last one is read, and it alone is sent on. */
  #readExtension(name: string, value: string, at: number): void {
    switch (name) {
      case 'x-b3-traceid':
        this.#traceAt = at;
        this.traceId = hexId(value, 32) || hexId(value, 16);
        break;
      case 'x-b3-spanid':
        this.#spanAt = at;
        this.spanId = hexId(value, 16);
        break;
      case 'x-b3-parentspanid':
        this.#parentAt = at;
        this.parentId = hexId(value, 16);
        break;
      case 'x-b3-sampled':
        this.#sampledAt = at;
        if (this.sampled !== 'yes') this.sampled = sampledFlag(value);
        break;
      case 'x-b3-flags':
        this.#flags = true;
        if (value === '1') this.sampled = 'yes';
        break;
      case 'x-client-trace-id':
        this.clientAsks = true;
        break;
      case 'x-envoy-force-trace':
        this.serviceAsks = true;
        break;
    }
  }

  /** B3's single header wins over its several ones, and B3 over W3C, as in Envoy. Half a context is none. */
  #choose(single: string, traceparent: string): void {
    this.#single = single !== '';
    this.#w3c = traceparent !== '';
    if (single !== '') this.#readSingle(single);
    if (this.traceId === '' || this.spanId === '') {
      this.traceId = this.spanId = this.parentId = '';
      if (traceparent !== '') this.#readTraceparent(traceparent);
    }
  }

  /** `{trace}-{span}[-{sampled}[-{parent}]]`, or a sampling decision alone. */
  #readSingle(value: string): void {
    if (value.length === 1) {
      this.sampled = sampledFlag(value);
      return;
    }
    const traceEnd = value.indexOf('-');
    const traceId = traceEnd === 32 ? hexId(value.slice(0, 32), 32) : hexId(value.slice(0, Math.max(0, traceEnd)), 16);
    const spanId = hexId(value.slice(traceEnd + 1, traceEnd + 17), 16);
    const rest = value.slice(traceEnd + 17);
    if (traceId === '' || spanId === '' || (rest !== '' && rest[0] !== '-')) return;
    this.traceId = traceId;
    this.spanId = spanId;
    this.parentId = hexId(rest.slice(3), 16);
    if (rest !== '') this.sampled = sampledFlag(rest.slice(1, 2));
  }

  /** W3C Trace Context level 1, section 3.2: version, trace id, parent id, flags; later versions may append fields. */
  #readTraceparent(value: string): void {
    const version = value.slice(0, 2);
    const tail = value.length === 55 || (version !== '00' && value[55] === '-');
    if (!tail || !isHex(version) || version === 'ff') return;
    if (value[2] !== '-' || value[35] !== '-' || value[52] !== '-') return;
    const traceId = hexId(value.slice(3, 35), 32);
    const spanId = hexId(value.slice(36, 52), 16);
    const flags = value.slice(53, 55);
    if (traceId === '' || spanId === '' || !isHex(flags)) return;
    this.traceId = traceId;
    this.spanId = spanId;
    if (this.sampled === 'unsaid') this.sampled = (Number.parseInt(flags, 16) & 1) === 1 ? 'yes' : 'no';
  }
}

/** Overwrites in place where the field was found. A field that is repeated must not contradict itself. */
function put(headers: HeaderFields, name: string, value: string, at: number): void {
  if (at === -1) headers.append(name, value);
  else if (headers.fields.indexOf(name) === at) headers.fields[at + 1] = value;
  else headers.set(name, value);
}

function sampledFlag(value: string): SampledFlag {
  if (value === '1' || value === 'd' || value === 'true') return 'yes';
  return value === '0' || value === 'false' ? 'no' : 'unsaid';
}

/** The id in lower case; '' unless it has `digits` hex digits that are not all zero. */
function hexId(value: string, digits: number): string {
  if (value.length !== digits || !isHex(value)) return '';
  for (let i = 0; i < digits; i++) if (value.charCodeAt(i) !== 0x30) return asciiLower(value);
  return '';
}

function isHex(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i) | 0x20;
    if (!((code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66))) return false;
  }
  return true;
}
