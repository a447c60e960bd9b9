// What may be done: envoy.config.rbac.v3.Permission, compiled.
import { compileCidr } from '../base/cidr.ts';
import { ConfigError } from '../base/error.ts';
import type { StringMatch } from '../base/string-match.ts';
import { compileStringMatch } from '../base/string-match.ts';
import type { Permission } from '../config/rbac.ts';
import type { RequestHead } from '../http/message.ts';
import { HeaderMatch } from '../route/header-match.ts';
import { UriTemplate } from '../route/uri-template.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import {
  ANYTHING, AddressRule, AllOf, HeaderRule, Not, OneOf, PathRule, compileMetadataRule, negated,
} from './access-rule.ts';
import type { AccessRule, Reading } from './access-rule.ts';

/** Throws ConfigError below `path`. */
export function compilePermission(permission: Permission, reading: Reading, path: string): AccessRule {
  const { andRules, orRules, notRule, header, urlPath, destinationIp } = permission;
  const set = (rules: readonly Permission[], at: string): AccessRule[] =>
    rules.map((rule, i) => compilePermission(rule, reading, `${path}.${at}.rules[${i}]`));
  if (permission.any === true) return ANYTHING;
  if (andRules !== undefined) return new AllOf(set(andRules.rules, 'andRules'));
  if (orRules !== undefined) return new OneOf(set(orRules.rules, 'orRules'));
  if (notRule !== undefined) return new Not(compilePermission(notRule, negated(reading), `${path}.notRule`));
  if (header !== undefined) return new HeaderRule(new HeaderMatch(header, `${path}.header`), reading);
  if (urlPath !== undefined) return new PathRule(compileStringMatch(urlPath.path, `${path}.urlPath.path`), reading);
  if (permission.uriTemplate !== undefined) {
    const { pathTemplate } = permission.uriTemplate.typedConfig;
    return new PathRule(new UriTemplate(pathTemplate, `${path}.uriTemplate.typedConfig.pathTemplate`), reading);
  }
  if (destinationIp !== undefined) {
    const range = compileCidr(destinationIp, `${path}.destinationIp`);
    return new AddressRule('destination', range, (info) => info.connection.localIp);
  }
  return compileConnectionRule(permission, path);
}

function compileConnectionRule(permission: Permission, path: string): AccessRule {
  const { destinationPort: port, destinationPortRange: range, requestedServerName: name } = permission;
  if (port !== undefined) return new PortRule(port, port + 1);
  if (range !== undefined) return new PortRule(range.start ?? 0, range.end ?? 0);
  if (name !== undefined) return new ServerNameRule(compileStringMatch(name, `${path}.requestedServerName`));
  const metadata = compileMetadataRule(permission, path);
  if (metadata !== undefined) return metadata;
  throw new ConfigError(path, 'is not a permission that is known');
}

/** `end` is exclusive. */
class PortRule implements AccessRule {
  readonly #start: number;
  readonly #end: number;

  constructor(start: number, end: number) {
    this.#start = start;
    this.#end = end;
  }

  holds(_head: RequestHead, info: StreamInfo): boolean {
    const port = info.connection.localPort;
    return port >= this.#start && port < this.#end;
  }

  toString(): string {
    return this.#end === this.#start + 1 ? `port ${this.#start}` : `port in [${this.#start}, ${this.#end})`;
  }
}

/** SNI; empty where there is none. */
class ServerNameRule implements AccessRule {
  readonly #match: StringMatch;

  constructor(match: StringMatch) {
    this.#match = match;
  }

  holds(_head: RequestHead, info: StreamInfo): boolean {
    return this.#match.matches(info.connection.serverName ?? '');
  }

  toString(): string {
    return `server name ${String(this.#match)}`;
  }
}
