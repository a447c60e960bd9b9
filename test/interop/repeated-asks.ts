// The requests of the rate limit tests: the same one several times, one after the other.

export interface Ask {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

export const times = (count: number, ask: Ask = {}): Ask[] => Array.from({ length: count }, () => ask);
