// What the supervisor and its decoder process tell each other.
import type { ConfigSnapshot } from '../admin/admin-source.ts';
import type { ResourceType } from '../config/any-registry.ts';
import type { ModelResource } from '../config/model-text.ts';
import type { DecodedResponse, DecodeResponse } from '../xds/resource-decode.ts';

/**
 * `bootstrap`: a file, to LoadedBootstrap; `config-dump`: to the answer to that command of the admin interface;
 * `response`: resources of an xDS response, to DecodedElsewhere; `resource-file`: to ResourceFile; `model-text` and
 * `model`: resources to ModelText, and its text back.
 */
export type DecoderJob =
  | { readonly kind: 'response'; readonly response: Parameters<DecodeResponse>[0] }
  | { readonly kind: 'resource-file'; readonly type: ResourceType; readonly file: string }
  | { readonly kind: 'bootstrap'; readonly file: string }
  | { readonly kind: 'model-text'; readonly resources: readonly ModelResource[] }
  | { readonly kind: 'model'; readonly text: string }
  | { readonly kind: 'config-dump'; readonly config: ConfigSnapshot; readonly query: string };

/** Warnings arrive without their class. */
export interface DecodedElsewhere extends DecodedResponse {
  /** Fields that the schema does not know, a line each. */
  readonly unknown: readonly string[];
}

export interface DecoderRequest {
  readonly id: number;
  readonly job: DecoderJob;
}

/** `ofConfig`: what was asked is wrong, and not the program. */
export interface DecoderFault {
  readonly message: string;
  readonly ofConfig: boolean;
}

export type DecoderAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly fault: DecoderFault };
