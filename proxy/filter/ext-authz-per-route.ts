// What a route, virtual host or table says to the ext_authz filter (ExtAuthzPerRoute), compiled.
import type { BufferSettings, ExtAuthzPerRoute } from '../config/external-authorization.ts';

/** Bytes of the body that the service sees. */
export interface BodyWish {
  readonly bytesMax: number;
  readonly partial: boolean;
  readonly asBytes: boolean;
}

export function bodyWish(settings: BufferSettings | undefined): BodyWish | undefined {
  if (settings === undefined) return undefined;
  const { maxRequestBytes: bytesMax, allowPartialMessage: partial = false, packAsBytes: asBytes = false } = settings;
  return { bytesMax, partial, asBytes };
}

/** A route's own words: `disabled` has the filter do nothing there. */
export class ExtAuthzRouteSettings {
  readonly disabled: boolean;
  readonly extensions: ReadonlyMap<string, string>;
  readonly withoutBody: boolean;
  /** Undefined: the filter's. */
  readonly body: BodyWish | undefined;

  /** `outer` is what the level around it says, whose extensions hold where this one has none of the name. */
  constructor({ disabled, checkSettings = {} }: ExtAuthzPerRoute, outer: ExtAuthzRouteSettings | undefined) {
    this.disabled = disabled ?? false;
    this.extensions = new Map([...outer?.extensions ?? [], ...Object.entries(checkSettings.contextExtensions ?? {})]);
    this.withoutBody = checkSettings.disableRequestBodyBuffering ?? false;
    this.body = bodyWish(checkSettings.withRequestBody);
  }
}
