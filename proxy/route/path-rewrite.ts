// Rewriting of paths: the matched prefix, or what fits a pattern, is swapped (RouteAction, RedirectAction).
import { isVisible, wireText } from '../base/ascii.ts';
import { ConfigError } from '../base/error.ts';
import { compileSubstitution } from '../base/regex.ts';
import type { RegexSubstitution } from '../base/regex.ts';
import type { RegexMatchAndSubstitute } from '../config/matcher.ts';
import type { UriTemplateRewriteConfig } from '../config/uri-template.ts';
import { compileFormat } from '../telemetry/formatter.ts';
import type { CompiledFormat } from '../telemetry/formatter.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import { pathEnd } from './path-match.ts';
import type { PathMatch } from './path-match.ts';

/**
 * The path with its query, rewritten, or '' where it stays; the query itself is never touched. `info` is the request's
 * record.
 */
export type PathRewrite = (path: string, info: StreamInfo) => string;

export interface PathRewriteFields {
  readonly prefixRewrite?: string;
  readonly regexRewrite?: RegexMatchAndSubstitute;
  /** A format string. */
  readonly pathRewrite?: string;
  readonly pathRewritePolicy?: { readonly typedConfig: UriTemplateRewriteConfig };
}

/**
 * Undefined when nothing is rewritten; an empty prefixRewrite rewrites nothing, as in Envoy. `redirects`: for a
 * location. Throws ConfigError below `path`.
 */
export function compilePathRewrite(
  fields: PathRewriteFields, match: PathMatch, path: string, redirects = false,
): PathRewrite | undefined {
  const { prefixRewrite } = fields;
  if (prefixRewrite !== undefined && prefixRewrite !== '') return prefixSwap(wireText(prefixRewrite), match);
  if (fields.pathRewrite !== undefined && fields.pathRewrite !== '') {
    const format = compileFormat(fields.pathRewrite, { path: `${path}.pathRewrite`, omitEmptyValues: true });
    return formatted(format, redirects);
  }
  const rule = compileRule(fields, match, path);
  if (rule === undefined) return undefined;
  return (text) => {
    const end = pathEnd(text);
    return rule.replaceAll(text.slice(0, end)) + text.slice(end);
  };
}

/** What formats to no path at all, or to what would break the request's line (S49), leaves the path. */
function formatted(format: CompiledFormat, redirects: boolean): PathRewrite {
  return (path, info) => {
    const next = format.format(info);
    if (!next.startsWith('/') || !isVisible(next)) return '';
    // A redirect has one query, as in Envoy.
    return redirects && next.includes('?') ? next : next + path.slice(pathEnd(path));
  };
}

function compileRule(fields: PathRewriteFields, match: PathMatch, path: string): RegexSubstitution | undefined {
  const { regexRewrite, pathRewritePolicy } = fields;
  if (regexRewrite !== undefined) {
    const { pattern, substitution } = regexRewrite;
    return compileSubstitution(pattern.regex, wireText(substitution ?? ''), `${path}.regexRewrite`);
  }
  if (pathRewritePolicy === undefined) return undefined;
  const at = `${path}.pathRewritePolicy`;
  if (match.template === undefined) throw new ConfigError(at, 'needs a match by URI template (pathMatchPolicy)');
  const { pathTemplateRewrite } = pathRewritePolicy.typedConfig;
  return match.template.compileRewrite(pathTemplateRewrite, `${at}.typedConfig.pathTemplateRewrite`);
}

/** What matched is replaced: the prefix, or the whole path where an exact path or a pattern matched. */
function prefixSwap(replacement: string, match: PathMatch): PathRewrite {
  if (match.kind === 'prefix' || match.kind === 'separated' || match.kind === 'exact') {
    const { length } = match.text;
    return (path) => replacement + path.slice(length);
  }
  return (path) => replacement + path.slice(pathEnd(path));
}
