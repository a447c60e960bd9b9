// Where a service of a filter is asked by plain HTTP (envoy.config.core.v3.HttpUri).
import { duration, string } from './scalar.ts';
import { message, required, type Static } from './schema.ts';

export const HttpUri = message('envoy.config.core.v3.HttpUri', {
  uri: required(string({ minLength: 1 }), 'The service\'s URI: its host is the authority of the calls. Where they go, '
    + 'and whether by TLS, the cluster says.'),
  cluster: required(string({ minLength: 1 }), 'The service, as a cluster; its circuit breakers bound the calls.'),
  timeout: required(duration({ atLeast: 0 }), 'How long the service may take; 0s is for ever.'),
});
export interface HttpUri extends Static<typeof HttpUri> {}
