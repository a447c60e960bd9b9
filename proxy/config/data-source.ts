// Where a text or certificate comes from (envoy.config.core.v3: base.proto).
import { bytes, string } from './scalar.ts';
import { exactlyOne, message, optional, type Static } from './schema.ts';

export const DataSource = message('envoy.config.core.v3.DataSource', {
  filename: optional(string({ minLength: 1 }), 'Path, relative to the working directory; read once.'),
  inlineBytes: optional(bytes(), 'The bytes in base64.'),
  inlineString: optional(string(), 'The text itself. A private key written here lies in the file in clear.'),
  environmentVariable: optional(string({ minLength: 1 }), 'Name of the variable that holds the text.'),
}, {
  refused: { 'files are read once; use SDS for what changes': ['watched_directory'] },
  oneOf: [exactlyOne('filename', 'inline_bytes', 'inline_string', 'environment_variable')],
});
export interface DataSource extends Static<typeof DataSource> {}
