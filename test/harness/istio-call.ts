// What a pod of a mesh is asked to call, and how that ended.

export interface Call {
  /** Default http. */
  readonly by?: 'http' | 'http2' | 'tcp';
  readonly host: string;
  readonly port: number;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
  /** Bytes for tcp; a line feed stands for CR LF. */
  readonly raw?: string;
}

export interface Outcome {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly trailers?: Readonly<Record<string, unknown>>;
  readonly body?: string;
  readonly text?: string;
  readonly error?: string;
}
