// What the metadata_match of a route or a TCP proxy asks of endpoints.
import { MetadataMatch } from '../base/metadata-match.ts';
import type { Metadata } from './node.ts';

/** `filter_metadata.envoy.lb`, whose values count before those of `outer`; undefined where neither asks. */
export function metadataMatchOf(metadata: Metadata | undefined, outer?: MetadataMatch): MetadataMatch | undefined {
  const own = Object.entries(metadata?.filterMetadata ?? {}).find(([name]) => name === 'envoy.lb')?.[1];
  if (own === undefined) return outer;
  return outer === undefined ? new MetadataMatch(own) : outer.with(own);
}
