// What the supervisor and its decoder thread tell each other.
import type { ConfigSnapshot } from '../admin/admin-source.ts';

/** `bootstrap`: a file, to LoadedBootstrap; `config-dump`: the answer to that command of the admin interface. */
export type DecoderJob =
  | { readonly kind: 'bootstrap'; readonly file: string }
  | { readonly kind: 'config-dump'; readonly config: ConfigSnapshot; readonly query: string };

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
