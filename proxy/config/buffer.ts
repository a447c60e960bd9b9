// Requests that go on when they are whole, and not if they are too large (envoy.extensions.filters.http.buffer.v3).
import { bool, uint32 } from './scalar.ts';
import { exactlyOne, message, optional, Refusal, required, type Static } from './schema.ts';

export const Buffer = message('envoy.extensions.filters.http.buffer.v3.Buffer', {
  maxRequestBytes: required(uint32({ minimum: 1 }), 'A longer body is answered 413. All of it is held in memory.'),
});
export interface Buffer extends Static<typeof Buffer> {}

export const BufferPerRoute = message('envoy.extensions.filters.http.buffer.v3.BufferPerRoute', {
  disabled: optional(bool(), 'Bodies go on as they come.'),
  buffer: optional(Buffer, 'In place of the filter\'s own.'),
}, {
  oneOf: [exactlyOne('disabled', 'buffer')],
  check: ({ disabled }) => (disabled === false ? new Refusal('must be true', ['disabled']) : undefined),
});
export interface BufferPerRoute extends Static<typeof BufferPerRoute> {}
