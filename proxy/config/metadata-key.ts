// Where a value is in metadata (envoy.type.metadata.v3).
import { string } from './scalar.ts';
import { list, message, required } from './schema.ts';

const PathSegment = message('envoy.type.metadata.v3.MetadataKey.PathSegment', {
  key: required(string({ minLength: 1 }), 'Name of the field.'),
});

export const MetadataKey = message('envoy.type.metadata.v3.MetadataKey', {
  key: required(string({ minLength: 1 }), 'Name in filter_metadata.'),
  path: required(list(PathSegment, { min: 1 }), 'Fields to the value.'),
});

/** Whose metadata it is: of those here only the request's, which filters write. */
export const MetadataKind = message('envoy.type.metadata.v3.MetadataKind', {
  request: required(message('envoy.type.metadata.v3.MetadataKind.Request', {}), 'What filters said of the request.'),
}, { refused: { 'only what filters said of the request is known': ['route', 'cluster', 'host'] } });
