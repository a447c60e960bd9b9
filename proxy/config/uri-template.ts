// URI templates that match and rewrite paths (envoy.extensions.path.{match,rewrite}.uri_template.v3).
import { string } from './scalar.ts';
import { any, message, required, type Static } from './schema.ts';

export const UriTemplateMatchConfig = message('envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig', {
  pathTemplate: required(string({ minLength: 1, maxBytes: 256 }), 'The whole path: text, * for a part of it without /, '
    + '** for any rest, {name} and {name=pattern} for what a rewrite takes up.'),
});
export interface UriTemplateMatchConfig extends Static<typeof UriTemplateMatchConfig> {}

export const UriTemplateRewriteConfig = message(
  'envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig', {
    pathTemplateRewrite: required(string({ minLength: 1, maxBytes: 256 }), 'The new path, with {name} for what the '
      + 'match found.'),
  },
);
export interface UriTemplateRewriteConfig extends Static<typeof UriTemplateRewriteConfig> {}

/** As RouteMatch.path_match_policy has it. */
export const PathMatchPolicy = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: required(string({ minLength: 1 }), 'Free name, usually envoy.path.match.uri_template.uri_template_matcher.'),
  typedConfig: required(any('path matcher', [UriTemplateMatchConfig]), 'How paths match.'),
});

/** As RouteAction.path_rewrite_policy has it. */
export const PathRewritePolicy = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: required(string({ minLength: 1 }), 'Free name, usually envoy.path.rewrite.uri_template.uri_template_rewriter.'),
  typedConfig: required(any('path rewriter', [UriTemplateRewriteConfig]), 'How paths are rewritten; the match is a '
    + 'template too.'),
});
