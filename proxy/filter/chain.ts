// The filter chain, folded once at configuration time into one array a hook, so that a request calls only what exists.
import type { ResponseHead } from '../http/message.ts';
import type { FilterStream, HttpFilter } from './filter.ts';

type Hook = 'onRequestHead' | 'onRequestData' | 'onRequestTrailers' | 'onResponseHead' | 'onResponseData'
  | 'onResponseTrailers' | 'onResponseDrain' | 'onComplete';

/** A filter that certainly has the hook `H`. */
export type With<H extends Hook> = HttpFilter & Required<Pick<HttpFilter, H>>;

/** Filters by hook: request hooks in configured order, response hooks in reverse, as in Envoy. */
export class FilterChain {
  /** Copied for each request: what filters keep about it. */
  readonly noState: readonly unknown[];
  readonly requestHead: readonly With<'onRequestHead'>[];
  /** Some filter may hold the bytes that it sees. */
  readonly holdsRequestData: boolean;
  readonly holdsResponseData: boolean;
  readonly requestData: readonly With<'onRequestData'>[];
  readonly requestTrailers: readonly With<'onRequestTrailers'>[];
  readonly responseHead: readonly With<'onResponseHead'>[];
  readonly responseData: readonly With<'onResponseData'>[];
  readonly responseTrailers: readonly With<'onResponseTrailers'>[];
  readonly responseDrain: readonly With<'onResponseDrain'>[];
  readonly complete: readonly With<'onComplete'>[];

  /** Takes the filters in configured order, the router last, and numbers them. */
  constructor(filters: readonly HttpFilter[]) {
    filters.forEach((filter, index) => {
      filter.index = index;
    });
    const reversed = filters.toReversed();
    this.noState = filters.map(() => undefined);
    this.requestHead = having(filters, 'onRequestHead');
    this.requestData = having(filters, 'onRequestData');
    this.requestTrailers = having(filters, 'onRequestTrailers');
    this.responseHead = having(reversed, 'onResponseHead');
    this.responseData = having(reversed, 'onResponseData');
    this.responseTrailers = having(reversed, 'onResponseTrailers');
    this.responseDrain = having(filters, 'onResponseDrain');
    this.complete = having(filters, 'onComplete');
    this.holdsRequestData = this.requestData.some(mayHold);
    this.holdsResponseData = this.responseData.some(mayHold);
  }

  onResponseHead(stream: FilterStream, head: ResponseHead, endStream: boolean): void {
    for (const filter of this.responseHead) filter.onResponseHead(stream, head, endStream);
  }
}

function mayHold(filter: HttpFilter): boolean {
  return filter.borrows !== true;
}

function having<H extends Hook>(filters: readonly HttpFilter[], hook: H): With<H>[] {
  return filters.filter((filter): filter is With<H> => filter[hook] !== undefined);
}
