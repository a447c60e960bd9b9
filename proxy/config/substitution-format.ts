// How a line of text is put together from a request (envoy.config.core.v3: substitution_format_string.proto).
import { DataSource } from './data-source.ts';
import { bool, headerValue, string, struct } from './scalar.ts';
import { exactlyOne, message, optional, type Static } from './schema.ts';

export const SubstitutionFormatString = message('envoy.config.core.v3.SubstitutionFormatString', {
  textFormatSource: optional(DataSource, 'Line with %OPERATORS%; write the line break yourself.'),
  jsonFormat: optional(struct(), 'JSON object whose text values hold %OPERATORS%; one line per entry.'),
  omitEmptyValues: optional(bool(), 'Operators without a value give nothing instead of - (text) or null (JSON). '
    + 'Default false.'),
  contentType: optional(headerValue(), 'Content type where the text is a response body.'),
}, {
  legacy: { textFormat: optional(string(), 'text_format_source.inline_string') },
  fold: (value, { textFormat }) => {
    if (textFormat !== undefined) value.textFormatSource = { inlineString: textFormat };
    return undefined;
  },
  refused: { 'operators of extensions are not supported': ['formatters'] },
  warned: { 'members are written in the order of the file': ['json_format_options'] },
  oneOf: [exactlyOne('text_format', 'json_format', 'text_format_source')],
});
export interface SubstitutionFormatString extends Static<typeof SubstitutionFormatString> {}
