// Requests held against an API's description: weft's own filter, whose table the control plane makes of an OpenAPI 3
// document.
import { bool, double, enumeration, string, uint32 } from './scalar.ts';
import { list, message, optional, required, type Static } from './schema.ts';

const PACKAGE = 'weft.filters.http.openapi.v1';

/** More than any API that people wrote has. */
export const OPENAPI_PATHS_MAX = 2000;
export const OPENAPI_PARAMETERS_MAX = 64;

export const OpenApiValue = message(`${PACKAGE}.Value`, {
  type: optional(enumeration(['ANY', 'STRING', 'INTEGER', 'NUMBER', 'BOOLEAN']), 'Default ANY.'),
  values: optional(list(string(), { max: 1000 }), 'One of these.'),
  minimum: optional(double(), 'Least number.'),
  maximum: optional(double(), 'Greatest number.'),
  minLength: optional(uint32(), 'In characters.'),
  maxLength: optional(uint32(), 'In characters.'),
  pattern: optional(string({ minLength: 1 }), 'RE2, found anywhere in the value.'),
});
export interface OpenApiValue extends Static<typeof OpenApiValue> {}

export const OpenApiParameter = message(`${PACKAGE}.Parameter`, {
  name: required(string({ minLength: 1, maxBytes: 256 }), 'Its name.'),
  place: required(enumeration(['QUERY', 'HEADER', 'PATH', 'COOKIE'], {
    numbers: { QUERY: 1, HEADER: 2, PATH: 3, COOKIE: 4 },
  }), 'Where it stands.'),
  isRequired: optional(bool(), 'Requests without it are refused.'),
  list: optional(enumeration(['ONE', 'REPEATED', 'COMMAS']), 'How several values of it are written; default ONE: there '
    + 'is one.'),
  value: optional(OpenApiValue, 'What each value must be.'),
});
export interface OpenApiParameter extends Static<typeof OpenApiParameter> {}

export const OpenApiOperation = message(`${PACKAGE}.Operation`, {
  method: required(string({ minLength: 1, maxBytes: 32 }), 'In capitals; GET is good for HEAD.'),
  parameters: optional(list(OpenApiParameter, { max: OPENAPI_PARAMETERS_MAX }), 'Those that are looked at.'),
  needsBody: optional(bool(), 'Requests without a body are refused.'),
  contentTypes: optional(list(string({ minLength: 1 }), { max: 100 }), 'Bodies of other types are refused; type/* and '
    + '*/* are good for many. Default any.'),
});
export interface OpenApiOperation extends Static<typeof OpenApiOperation> {}

export const OpenApiPath = message(`${PACKAGE}.Path`, {
  template: required(string({ minLength: 1, maxBytes: 2048 }), 'The whole path; {name} is a segment of any text.'),
  operations: required(list(OpenApiOperation, { min: 1, max: 32 }), 'Its methods.'),
});
export interface OpenApiPath extends Static<typeof OpenApiPath> {}

export const OpenApi = message(`${PACKAGE}.OpenApi`, {
  name: required(string({ minLength: 1, maxBytes: 256, form: 'header-value' }), 'The API, in answers.'),
  paths: required(list(OpenApiPath, { max: OPENAPI_PATHS_MAX }), 'What there is.'),
  hosts: optional(list(string({ minLength: 1 }), { max: 256 }), 'Requests for others pass; *.suffix is good for many. '
    + 'Default all hosts.'),
  prefix: optional(string(), 'Requests below others pass. Default all paths.'),
  dryRun: optional(bool(), 'What would be refused is counted and passes.'),
  statPrefix: optional(string(), 'Counters are http.<connection manager>.openapi.<this>.*.'),
});
export interface OpenApi extends Static<typeof OpenApi> {}
