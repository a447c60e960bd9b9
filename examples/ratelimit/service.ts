// A rate limit service (envoy.service.ratelimit.v3) of one process: fixed windows, counted in memory, by grpc-js.
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServiceDefinition, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import protobuf from 'protobufjs/light.js';

/** Requests that a descriptor may make in one unit of time. */
export interface Limit {
  readonly domain: string;
  /** Keys with their values, in the order of the actions; without a value each value is counted by itself. */
  readonly entries: readonly { readonly key: string; readonly value?: string }[];
  readonly requests: number;
  readonly unit: 'SECOND' | 'MINUTE' | 'HOUR' | 'DAY';
  /** Shown in x-ratelimit-limit. */
  readonly name?: string;
}

interface Descriptor {
  readonly entries: readonly { readonly key: string; readonly value: string }[];
  readonly hitsAddend?: { readonly value: number };
}

interface RateLimitRequest {
  readonly domain: string;
  readonly descriptors: readonly Descriptor[];
  readonly hitsAddend: number;
}

interface Status {
  readonly code: number;
  readonly currentLimit?: { readonly requestsPerUnit: number; readonly unit: number; readonly name: string };
  readonly limitRemaining?: number;
  readonly durationUntilReset?: { readonly seconds: number };
}

const OK = 1;
const OVER_LIMIT = 2;
const UNITS = { SECOND: [1, 1], MINUTE: [2, 60], HOUR: [3, 3600], DAY: [4, 86_400] } as const;
/** Windows that are kept; the oldest make room. */
const WINDOWS_MAX = 100_000;

const text = (id: number): protobuf.IField => ({ id, type: 'string' });
const uint32 = (id: number): protobuf.IField => ({ id, type: 'uint32' });
const listOf = (id: number, type: string) => ({ id, type, rule: 'repeated' });

const root = protobuf.Root.fromJSON({ nested: {
  UInt64Value: { fields: { value: { id: 1, type: 'uint64' } } },
  Duration: { fields: { seconds: { id: 1, type: 'int64' } } },
  Entry: { fields: { key: text(1), value: text(2) } },
  Descriptor: { fields: { entries: listOf(1, 'Entry'), hitsAddend: { id: 3, type: 'UInt64Value' } } },
  RateLimitRequest: { fields: { domain: text(1), descriptors: listOf(2, 'Descriptor'), hitsAddend: uint32(3) } },
  CurrentLimit: { fields: { requestsPerUnit: uint32(1), unit: uint32(2), name: text(3) } },
  Status: { fields: { code: uint32(1), currentLimit: { id: 2, type: 'CurrentLimit' }, limitRemaining: uint32(3),
    durationUntilReset: { id: 4, type: 'Duration' } } },
  HeaderValue: { fields: { key: text(1), value: text(2) } },
  RateLimitResponse: { fields: { overallCode: uint32(1), statuses: listOf(2, 'Status'),
    responseHeadersToAdd: listOf(3, 'HeaderValue'), requestHeadersToAdd: listOf(4, 'HeaderValue'),
    rawBody: { id: 5, type: 'bytes' } } },
} });

const [REQUEST, RESPONSE] = [root.lookupType('RateLimitRequest'), root.lookupType('RateLimitResponse')];

const SERVICE = {
  shouldRateLimit: {
    path: '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit', requestStream: false, responseStream: false,
    requestSerialize: (value: object) => Buffer.from(REQUEST.encode(REQUEST.create(value)).finish()),
    requestDeserialize: (bytes: Buffer) =>
      REQUEST.toObject(REQUEST.decode(bytes), { defaults: true, longs: Number }) as RateLimitRequest,
    responseSerialize: (value: object) => Buffer.from(RESPONSE.encode(RESPONSE.create(value)).finish()),
    responseDeserialize: (bytes: Buffer) => RESPONSE.toObject(RESPONSE.decode(bytes)),
  },
} satisfies ServiceDefinition;

export class RateLimitService {
  readonly #limits: readonly Limit[];
  readonly #nowMs: () => number;
  readonly #windows = new Map<string, number>();
  readonly #server = new Server();
  /** What more the answers say; for tests of proxies. */
  extra: object = {};

  constructor(limits: readonly Limit[], nowMs: () => number = Date.now) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  /** Listens, in plaintext; the port. 0 takes any. */
  listen(host: string, port: number): Promise<number> {
    this.#server.addService(SERVICE, {
      shouldRateLimit: (call: ServerUnaryCall<RateLimitRequest, object>, done: sendUnaryData<object>) =>
        done(null, this.answer(call.request)),
    });
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
  }

  close(): void {
    this.#server.forceShutdown();
  }

  answer({ domain, descriptors, hitsAddend }: RateLimitRequest): object {
    const statuses = descriptors.map((each) => this.#count(domain, each, hitsAddend));
    const overallCode = statuses.some(({ code }) => code === OVER_LIMIT) ? OVER_LIMIT : OK;
    return { overallCode, statuses, ...this.extra };
  }

  #count(domain: string, { entries, hitsAddend }: Descriptor, hits: number): Status {
    const limit = this.#limits.find((each) => each.domain === domain && covers(each, entries));
    if (limit === undefined) return { code: OK };
    const [unit, seconds] = UNITS[limit.unit];
    const now = Math.floor(this.#nowMs() / 1000);
    const count = this.#add(JSON.stringify([domain, entries, Math.floor(now / seconds)]),
      hitsAddend?.value ?? Math.max(1, hits));
    return {
      code: count > limit.requests ? OVER_LIMIT : OK,
      currentLimit: { requestsPerUnit: limit.requests, unit, name: limit.name ?? '' },
      limitRemaining: Math.max(0, limit.requests - count), durationUntilReset: { seconds: seconds - (now % seconds) },
    };
  }

  #add(window: string, hits: number): number {
    const count = (this.#windows.get(window) ?? 0) + hits;
    this.#windows.delete(window);
    this.#windows.set(window, count);
    if (this.#windows.size > WINDOWS_MAX) this.#windows.delete(this.#windows.keys().next().value!);
    return count;
  }
}

function covers(limit: Limit, entries: Descriptor['entries']): boolean {
  return limit.entries.length === entries.length && limit.entries.every(({ key, value }, i) =>
    key === entries[i]!.key && (value === undefined || value === entries[i]!.value));
}
