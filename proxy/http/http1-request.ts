// From the text of a request head to a RequestHead, or to the reason why it is refused (RFC 9112 sections 2 and 3).
import { ProxyError } from '../base/error.ts';
import type { ErrorKind } from '../base/error.ts';
import { isAuthority, isTarget, isToken } from './header-text.ts';
import type { FieldRules, ParsedFields } from './http1-head.ts';
import { parseFields } from './http1-head.ts';
import { LENGTH_UNKNOWN, RequestHead } from './message.ts';

export interface RequestRules extends FieldRules {
  /** HTTP/1.0 is answered 426 otherwise. */
  readonly acceptHttp10: boolean;
  /** Host of HTTP/1.0 requests without one; '' refuses them. */
  readonly defaultHostForHttp10: string;
  readonly allowAbsoluteUrl: boolean;
}

/** A parsed request with what its connection needs to know. */
export interface ParsedRequest {
  readonly head: RequestHead;
  readonly chunked: boolean;
  /** The connection may take another request after this one. */
  readonly keepAlive: boolean;
}

function refuse(kind: ErrorKind, detail: string): ProxyError {
  return new ProxyError(kind, 'downstream', detail);
}

/** `text` is a whole head with its empty line. */
export function parseRequest(text: string, rules: RequestRules): ParsedRequest | ProxyError {
  const lineEnd = text.indexOf('\r\n');
  if (lineEnd > rules.requestLineBytesMax) return refuse('uri-too-long', 'request_line_too_long');
  const first = text.indexOf(' ');
  const last = text.lastIndexOf(' ', lineEnd - 1);
  if (first === -1 || first > lineEnd || last <= first) return refuse('bad-request', 'http1.codec_error');
  const [method, target, version] = [text.slice(0, first), text.slice(first + 1, last), text.slice(last + 1, lineEnd)];
  const minor = minorVersion(version, rules);
  if (minor instanceof ProxyError) return minor;
  if (!isToken(method) || !isTarget(target)) return refuse('bad-request', 'http1.codec_error');
  const fields = parseFields(text, lineEnd + 2, rules);
  if (fields instanceof ProxyError) return fields;
  if (fields.chunked && minor === 0) return refuse('bad-request', 'transfer_encoding_in_http10');
  return build(method, target, minor, fields, rules);
}

function minorVersion(version: string, rules: RequestRules): 0 | 1 | ProxyError {
  if (version === 'HTTP/1.1') return 1;
  if (version === 'HTTP/1.0') return rules.acceptHttp10 ? 0 : refuse('upgrade-required', 'low_version');
  return /^HTTP\/\d\.\d$/.test(version) ? refuse('version-not-supported', 'http1.codec_error') : refuse('bad-request', 'http1.codec_error');
}

function build(method: string, target: string, minor: 0 | 1, fields: ParsedFields, rules: RequestRules): ParsedRequest | ProxyError {
  const host = hostOf(fields, minor, rules);
  if (host instanceof ProxyError) return host;
  const head = new RequestHead(method, host, target, fields.headers, minor === 1 ? 'HTTP/1.1' : 'HTTP/1.0');
  const fault = method === 'CONNECT' ? toAuthorityForm(head, host, target) : toOriginForm(head, host, target, rules);
  if (fault !== undefined) return fault;
  head.contentLength = fields.chunked ? LENGTH_UNKNOWN : Math.max(0, fields.contentLength);
  head.acceptsTrailers = fields.acceptsTrailers;
  head.expectContinue = fields.expectContinue && minor === 1;
  head.upgrade = minor === 1 ? fields.upgrade : undefined;
  const early = head.upgrade !== undefined || method === 'CONNECT';
  if (early && (fields.chunked || fields.contentLength > 0)) return refuse('bad-request', 'upgrade_with_body');
  return { head, chunked: fields.chunked, keepAlive: minor === 1 ? !fields.close : fields.keepAlive && !fields.close };
}

/** Exactly one valid Host; lower-cased once, for routes and policy alike (S13). */
function hostOf(fields: ParsedFields, minor: 0 | 1, rules: RequestRules): string | ProxyError {
  const { host } = fields;
  if (host === undefined) {
    if (minor === 0 && rules.defaultHostForHttp10 !== '') return rules.defaultHostForHttp10;
    return refuse('bad-request', 'missing_host_header');
  }
  if (host === '') return host;
  return isAuthority(host) ? host.toLowerCase() : refuse('bad-request', 'invalid_host');
}

function toAuthorityForm(head: RequestHead, host: string, target: string): ProxyError | undefined {
  if (!isAuthority(target) || !/:[0-9]+$/.test(target)) return refuse('bad-request', 'invalid_connect_target');
  const authority = target.toLowerCase();
  if (host !== '' && withoutDefaultPort(host, '443') !== withoutDefaultPort(authority, '443')) return refuse('bad-request', 'host_mismatch');
  head.authority = authority;
  head.path = '';
  return undefined;
}

function toOriginForm(head: RequestHead, host: string, target: string, rules: RequestRules): ProxyError | undefined {
  if (target.charCodeAt(0) === 47) return undefined;
  if (target === '*') return head.method === 'OPTIONS' ? undefined : refuse('bad-request', 'invalid_target');
  const match = /^(https?):\/\/([^/?]*)(.*)$/i.exec(target);
  if (match === null || !rules.allowAbsoluteUrl || !isAuthority(match[2]!)) return refuse('bad-request', 'invalid_target');
  const scheme = match[1]!.toLowerCase();
  const authority = match[2]!.toLowerCase();
  const port = scheme === 'https' ? '443' : '80';
  if (withoutDefaultPort(host, port) !== withoutDefaultPort(authority, port)) return refuse('bad-request', 'host_mismatch');
  head.scheme = scheme;
  head.authority = authority;
  head.absoluteForm = true;
  head.path = match[3]!.startsWith('/') ? match[3]! : `/${match[3]!}`;
  return undefined;
}

function withoutDefaultPort(authority: string, port: string): string {
  return authority.endsWith(`:${port}`) ? authority.slice(0, -port.length - 1) : authority;
}
