// %DYNAMIC_METADATA(NAMESPACE:KEY*)%: what filters said of a request, in log lines and header values.
import { ConfigError } from '../base/error.ts';
import { metadataAt } from './dynamic-metadata.ts';
import type { Operator, OperatorSpec } from './format-spec.ts';
import type { StreamInfo } from './stream-info.ts';

/** Texts as they are, all else as JSON; null reads as absent, as in Envoy. */
function compile(args: string, path: string): Operator {
  const [namespace = '', ...keys] = args.split(':');
  if (namespace === '' || keys.includes('')) {
    throw new ConfigError(path, `%DYNAMIC_METADATA(${args})%: expected NAMESPACE:KEY:KEY… without empty parts`);
  }
  const valueOf = (info: StreamInfo): unknown => metadataAt(info, namespace, keys) ?? undefined;
  return {
    read: (info) => {
      const value = valueOf(info);
      return typeof value === 'string' || value === undefined ? value : JSON.stringify(value);
    },
    readJson: valueOf,
    origin: 'config',
  };
}

export const metadataOperators: readonly [string, OperatorSpec][] = [
  ['DYNAMIC_METADATA', { args: 'required', cut: true, compile }],
];
