// A client of state-of-the-world ADS that says exactly what a test tells it to.
import { RawAdsCall } from './raw-xds.ts';
import type { RawAny, RawXds } from './raw-xds.ts';

export interface RawResponse {
  readonly version_info: string;
  readonly resources: RawAny[];
  readonly type_url: string;
  readonly nonce: string;
}

export class RawSotwClient extends RawAdsCall<RawResponse> {
  readonly #xds: RawXds;

  constructor(xds: RawXds, address: string) {
    super(xds, address, 'StreamAggregatedResources');
    this.#xds = xds;
  }

  /** Accepts a response, and asks for these names from now on. */
  ack({ type_url, version_info, nonce: response_nonce }: RawResponse, resource_names: readonly string[] = []): void {
    this.send({ type_url, version_info, response_nonce, resource_names });
  }

  /** Names of the resources of a response. */
  names({ resources }: RawResponse): string[] {
    return resources.map((resource) => {
      const { name, cluster_name: cluster } = this.#xds.decode(resource);
      return (cluster ?? name) as string;
    });
  }
}
