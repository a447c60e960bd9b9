// Shares and ranges (envoy.type.v3: percent.proto, range.proto; envoy.config.core.v3: base.proto).
import { double, enumeration, int32, int64, uint32 } from './scalar.ts';
import { message, optional, Refusal, required, type Static } from './schema.ts';

const NO_RUNTIME = { 'there is no runtime; default_value always holds': ['runtime_key'] };

export const Percent = message('envoy.type.v3.Percent', {
  value: optional(double({ minimum: 0, maximum: 100 }), 'Percent, 0 to 100; default 0.'),
});
export interface Percent extends Static<typeof Percent> {}

export const FractionalPercent = message('envoy.type.v3.FractionalPercent', {
  numerator: optional(uint32(), 'Share in units of the denominator; default 0, above the denominator is all.'),
  denominator: optional(enumeration(['HUNDRED', 'TEN_THOUSAND', 'MILLION']), 'Default HUNDRED.'),
});
export interface FractionalPercent extends Static<typeof FractionalPercent> {}

export const RuntimeFractionalPercent = message('envoy.config.core.v3.RuntimeFractionalPercent', {
  defaultValue: required(FractionalPercent, 'The share.'),
}, { warned: NO_RUNTIME });
export interface RuntimeFractionalPercent extends Static<typeof RuntimeFractionalPercent> {}

export const RuntimeUInt32 = message('envoy.config.core.v3.RuntimeUInt32', {
  defaultValue: optional(uint32(), 'The number; default 0.'),
}, { warned: NO_RUNTIME });
export interface RuntimeUInt32 extends Static<typeof RuntimeUInt32> {}

export const RuntimeDouble = message('envoy.config.core.v3.RuntimeDouble', {
  defaultValue: optional(double(), 'The number; default 0.'),
}, { warned: NO_RUNTIME });
export interface RuntimeDouble extends Static<typeof RuntimeDouble> {}

export const Int64Range = message('envoy.type.v3.Int64Range', {
  start: optional(int64(), 'First number of the range; default 0.'),
  end: optional(int64(), 'First number after the range; default 0.'),
}, { check: emptyRange });
export interface Int64Range extends Static<typeof Int64Range> {}

export const Int32Range = message('envoy.type.v3.Int32Range', {
  start: optional(int32(), 'First number of the range; default 0.'),
  end: optional(int32(), 'First number after the range; default 0.'),
}, { check: emptyRange });
export interface Int32Range extends Static<typeof Int32Range> {}

/** A range in which nothing lies is a mistake: `end` is exclusive. */
function emptyRange({ start = 0, end = 0 }: { start?: number; end?: number }): Refusal | undefined {
  return start < end ? undefined : new Refusal(`is an empty range: start ${start} must be below end ${end}`);
}

