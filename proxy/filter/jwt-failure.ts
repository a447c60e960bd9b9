// Why a request's tokens are refused: Envoy's words, which stand in the response's body and its details.

export const JwtFailure = {
  missing: 'Jwt is missing',
  notYetValid: 'Jwt not yet valid',
  expired: 'Jwt is expired',
  badFormat: 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
  headerBase64: 'Jwt header is an invalid Base64url encoded',
  headerJson: 'Jwt header is an invalid JSON',
  badAlg: 'Jwt header [alg] field is required and must be a string',
  unknownAlg: 'Jwt header [alg] is not supported',
  badKid: 'Jwt header [kid] field is not a string',
  payloadBase64: 'Jwt payload is an invalid Base64url encoded',
  payloadJson: 'Jwt payload is an invalid JSON',
  signatureBase64: 'Jwt signature is an invalid Base64url encoded',
  unknownIssuer: 'Jwt issuer is not configured',
  audience: 'Audiences in Jwt are not allowed',
  verification: 'Jwt verification fails',
  noKey: "Jwks doesn't have key to match kid or alg from Jwt",
  noKeys: "Jwks doesn't have any valid public key",
  fetch: 'Jwks remote fetch is failed',
  audNotText: 'Jwt payload [aud] field is not a string or string list',
  // What Envoy does not look at; see the README.
  tooLong: 'Jwt is too long',
  tooMany: 'Found multiple Jwt tokens',
  critical: 'Jwt header [crit] is not supported',
  overload: 'Jwt verification is overloaded',
} as const;

/** Also `Jwt payload [exp] field is not an integer` and the like, made by the name of the claim. */
export type JwtFailure = string;

export function notText(claim: string): JwtFailure {
  return `Jwt payload [${claim}] field is not a string`;
}

export function notInteger(claim: string): JwtFailure {
  return `Jwt payload [${claim}] field is not an integer`;
}

export function outOfRange(claim: string): JwtFailure {
  return `Jwt payload [${claim}] field is not a positive 64 bit integer`;
}
