// Rewriting of paths: the matched prefix, or what fits a pattern, is swapped (RouteAction, RedirectAction).
import { wireText } from '../base/ascii.ts';
import { ConfigError } from '../base/error.ts';
import { compileSubstitution } from '../base/regex.ts';
import type { RegexSubstitution } from '../base/regex.ts';
import type { RegexMatchAndSubstitute } from '../config/matcher.ts';
import type { UriTemplateRewriteConfig } from '../config/uri-template.ts';
import { pathEnd } from './path-match.ts';
import type { PathMatch } from './path-match.ts';

/** The path with its query, rewritten; the query itself is never touched. */
export type PathRewrite = (path: string) => string;

export interface PathRewriteFields {
  readonly prefixRewrite?: string;
  readonly regexRewrite?: RegexMatchAndSubstitute;
  readonly pathRewritePolicy?: { readonly typedConfig: UriTemplateRewriteConfig };
}

/**
 * Undefined when nothing is rewritten; an empty prefixRewrite rewrites nothing, as in Envoy. Throws ConfigError below
 * `path`.
 */
export function compilePathRewrite(fields: PathRewriteFields, match: PathMatch, path: string): PathRewrite | undefined {
  const { prefixRewrite } = fields;
  if (prefixRewrite !== undefined && prefixRewrite !== '') return prefixSwap(wireText(prefixRewrite), match);
  const rule = compileRule(fields, match, path);
  if (rule === undefined) return undefined;
  return (text) => {
    const end = pathEnd(text);
    return rule.replaceAll(text.slice(0, end)) + text.slice(end);
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
