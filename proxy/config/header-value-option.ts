// Headers that configuration adds (envoy.config.core.v3: base.proto).
import { bool, enumeration, headerName, string } from './scalar.ts';
import { message, optional, Refusal, required, type Static } from './schema.ts';

export const HeaderValue = message('envoy.config.core.v3.HeaderValue', {
  key: required(headerName(), 'Header name; :path and :authority are set by rewrites, not here.'),
  value: optional(
    string({ maxBytes: 16_384, form: 'header-value' }),
    'Text with %OPERATORS% of the access log filled in per request, %% for a percent sign; default empty.',
  ),
}, {
  refused: { 'values are text': ['raw_value'] },
});
export interface HeaderValue extends Static<typeof HeaderValue> {}

export const HeaderValueOption = message('envoy.config.core.v3.HeaderValueOption', {
  header: required(HeaderValue, 'Name and value.'),
  appendAction: optional(
    enumeration(['APPEND_IF_EXISTS_OR_ADD', 'ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS']),
    'What happens where the header exists; default APPEND_IF_EXISTS_OR_ADD, which lets a client\'s own value stand '
      + 'too.',
  ),
  keepEmptyValue: optional(bool(), 'Adds the header although its value comes out empty. Default false.'),
}, {
  legacy: { append: optional(bool(), 'append_action') },
  fold: (value, { append }) => {
    if (append === undefined) return undefined;
    if (value.appendAction !== undefined && value.appendAction !== 'APPEND_IF_EXISTS_OR_ADD') {
      return new Refusal('must not be set beside append_action', ['append']);
    }
    value.appendAction = append ? 'APPEND_IF_EXISTS_OR_ADD' : 'OVERWRITE_IF_EXISTS_OR_ADD';
    return undefined;
  },
});
export interface HeaderValueOption extends Static<typeof HeaderValueOption> {}
