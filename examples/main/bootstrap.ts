// The proxy's whole configuration in the simplest example: one listener, one cluster, Envoy v3 in YAML.

/** Ports of 127.0.0.1. */
export interface ExamplePorts {
  readonly listener: number;
  readonly admin: number;
  readonly instances: readonly number[];
}

const TYPE = 'type.googleapis.com/envoy.extensions';

/** The text of the file; a real Envoy starts from it as well. */
export function bootstrapYaml({ listener, admin, instances }: ExamplePorts): string {
  const endpoints = instances.map((port) => `              - endpoint: { address: ${socketAddress(port)} }`).join('\n');
  return `static_resources:
  listeners:
    - name: web
      address: ${socketAddress(listener)}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": ${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: web
                route_config:
                  name: web
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { prefix: / }
                          route:
                            cluster: web
                            # What failed on one instance is tried on another one, before the client hears of it.
                            retry_policy:
                              retry_on: connect-failure,reset,retriable-status-codes
                              retriable_status_codes: [503]
                              num_retries: 3
                              retry_host_predicate:
                                - name: envoy.retry_host_predicates.previous_hosts
                                  typed_config:
                                    "@type": ${TYPE}.retry.host.previous_hosts.v3.PreviousHostsPredicate
                              host_selection_retry_max_attempts: 3
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": ${TYPE}.filters.http.router.v3.Router
  clusters:
    - name: web
      type: STATIC
      connect_timeout: 1s
      lb_policy: ROUND_ROBIN
      load_assignment:
        cluster_name: web
        endpoints:
          - lb_endpoints:
${endpoints}
admin:
  address: ${socketAddress(admin)}
`;
}

function socketAddress(port: number): string {
  return `{ socket_address: { address: 127.0.0.1, port_value: ${port} } }`;
}
