// Whether a request may leave HTTP: an upgrade or CONNECT that no configuration allows is refused before any filter.
import { ProxyError } from '../base/error.ts';
import type { FilterStream } from './filter.ts';
import type { StreamSettings } from './stream-settings.ts';

export function upgradeRefusal(stream: FilterStream, settings: StreamSettings): ProxyError | undefined {
  const { request } = stream;
  const token = request.method === 'CONNECT' ? 'connect' : request.upgrade;
  // Without a route the router's 404 is the better answer, and Envoy's.
  if (token === undefined || stream.route === undefined || settings.allowsUpgrade(token, stream.route)) {
    return undefined;
  }
  return new ProxyError('upgrade-refused', 'downstream', 'upgrade_failed');
}
