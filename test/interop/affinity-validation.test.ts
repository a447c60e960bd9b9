// Configuration of priorities, retries, ORIGINAL_DST and sessions: what a real Envoy accepts of it, weft does too.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadBootstrap } from '../../proxy/config/bootstrap-file.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';
import { envoyRefusal } from './envoy-refusal.ts';

const skip = reasonToSkip(findEnvoy(false));
const TYPE = 'type.googleapis.com/envoy.extensions';

function route(fields: Record<string, unknown>): unknown {
  return bootstrapOf([httpListener([routeTo('a', fields)])], [staticCluster('a', [1])]);
}

function retries(fields: object): unknown {
  return route({ retry_policy: { retry_on: '5xx', ...fields } });
}

function cluster(fields: Record<string, unknown>): unknown {
  return bootstrapOf([httpListener([routeTo('a')])], [staticCluster('a', [1], fields)]);
}

function original(fields: Record<string, unknown> = {}): unknown {
  const named = { name: 'a', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '1s' };
  return bootstrapOf([httpListener([routeTo('a')])], [{ ...named, ...fields }]);
}

const COOKIE = { '@type': `${TYPE}.http.stateful_session.cookie.v3.CookieBasedSessionState`, cookie: { name: 's' } };

function session(state: object, fields: object = {}, name = 'envoy.http.stateful_session.cookie'): unknown {
  const typed_config = { '@type': `${TYPE}.filters.http.stateful_session.v3.StatefulSession`,
    session_state: { name, typed_config: state }, ...fields };
  const manager = { http_filters: [{ name: 'session', typed_config }] };
  return bootstrapOf([httpListener([routeTo('a')], manager)], [staticCluster('a', [1])]);
}

function perRoute(config: object): unknown {
  const type = `${TYPE}.filters.http.stateful_session.v3`;
  const typed_config = { '@type': `${type}.StatefulSession` };
  const own = { session: { '@type': `${type}.StatefulSessionPerRoute`, ...config } };
  const to = { match: { prefix: '/' }, route: { cluster: 'a' }, typed_per_filter_config: own };
  const manager = { http_filters: [{ name: 'session', typed_config }] };
  return bootstrapOf([httpListener([to], manager)], [staticCluster('a', [1])]);
}

function priorities(config: object): unknown {
  const type = `${TYPE}.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig`;
  const name = 'envoy.retry_priorities.previous_priorities';
  return retries({ retry_priority: { name, typed_config: { '@type': type, ...config } } });
}

const HEADER_STATE = `${TYPE}.http.stateful_session.header.v3.HeaderBasedSessionState`;
const HEADER_NAME = 'envoy.http.stateful_session.header';

const ACCEPTED: Readonly<Record<string, unknown>> = {
  'priority HIGH': route({ priority: 'HIGH' }),
  'thresholds of one priority twice': cluster({ circuit_breakers: { thresholds: [{}, { max_requests: 1 }] } }),
  'connections per host': cluster({ circuit_breakers: { per_host_thresholds: [{ max_connections: 0 }] } }),
  'other priorities after each try': priorities({ update_frequency: 1 }),
  'Istio\'s passthrough cluster': original({ circuit_breakers: { thresholds: [{ track_remaining: true }] } }),
  'a header that names the address': original({ cleanup_interval: '0.5s',
    original_dst_lb_config: { use_http_header: true, http_header_name: 'X-A' } }),
  'a port for all': original({ original_dst_lb_config: { upstream_port_override: 65_535 } }),
  'sessions by cookie': session({ ...COOKIE, cookie: { name: 's', ttl: '0s', path: '/a' } }, { strict: true }),
  'sessions by header': session({ '@type': HEADER_STATE, name: 'x-s' }, {}, HEADER_NAME),
  'a route without sessions': perRoute({ disabled: true }),
  'a route with empty sessions': perRoute({ stateful_session: {} }),
  'health in which sessions are kept': cluster({
    common_lb_config: { override_host_status: { statuses: ['DRAINING', 'DRAINING'] } } }),
};

const REFUSED: Readonly<Record<string, unknown>> = {
  'an unknown priority': route({ priority: 'LOW' }),
  'requests per host': cluster({ circuit_breakers: { per_host_thresholds: [{ max_requests: 1 }] } }),
  'ORIGINAL_DST with a policy': original({ lb_policy: 'ROUND_ROBIN' }),
  'ORIGINAL_DST with endpoints': original({ load_assignment: { cluster_name: 'a' } }),
  'CLUSTER_PROVIDED for endpoints': cluster({ lb_policy: 'CLUSTER_PROVIDED' }),
  'a header that is not used': original({ original_dst_lb_config: { http_header_name: 'x-a' } }),
  'a port beyond 65535': original({ original_dst_lb_config: { upstream_port_override: 65_536 } }),
  'no cleanup interval': original({ cleanup_interval: '0s' }),
  'a cookie without a name': session({ ...COOKIE, cookie: { name: '' } }),
  'a cookie that is not there': session({ '@type': COOKIE['@type'] }),
  'a header without a name': session({ '@type': HEADER_STATE, name: '' }, {}, HEADER_NAME),
  'a route that is not disabled': perRoute({ disabled: false }),
  'a route that says nothing': perRoute({}),
};

/** What Envoy lets pass and weft does not, with the reason. */
const STRICTER: Readonly<Record<string, unknown>> = {
  'other priorities after no try: retries are counted from 1': priorities({ update_frequency: 0 }),
  'other priorities without a number: it has no default': priorities({}),
  'health checks of ORIGINAL_DST: endpoints come and go with requests': original({ health_checks: [{
    timeout: '1s', interval: '1s', unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} }] }),
  'metadata that names the address: there is no dynamic metadata': original({
    original_dst_lb_config: { metadata_key: { key: 'a', path: [{ key: 'b' }] } } }),
  'a status that is none': session(COOKIE, { strict: true, status_on_strict_destination_not_found: 99 }),
};

describe('validation beside Envoy', { skip }, () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-validation-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** What each says; undefined where it accepts. */
  async function judge(bootstrap: unknown): Promise<{ envoy: string | undefined; weft: string | undefined }> {
    const file = join(folder, 'bootstrap.json');
    await writeFile(file, JSON.stringify(bootstrap));
    return { envoy: await envoyRefusal(file), weft: await loadBootstrap(file).then(() => undefined, String) };
  }

  for (const [name, bootstrap] of Object.entries(ACCEPTED)) {
    test(`both accept ${name}`, async () => {
      assert.deepEqual(await judge(bootstrap), { envoy: undefined, weft: undefined });
    });
  }

  for (const [name, bootstrap] of Object.entries(REFUSED)) {
    test(`both refuse ${name}`, async () => {
      const refusals = await judge(bootstrap);
      assert.notEqual(refusals.envoy, undefined, 'Envoy accepts it');
      assert.notEqual(refusals.weft, undefined, `weft accepts it; Envoy says ${refusals.envoy}`);
    });
  }

  for (const [name, bootstrap] of Object.entries(STRICTER)) {
    test(`weft alone refuses ${name}`, async () => {
      const refusals = await judge(bootstrap);
      assert.equal(refusals.envoy, undefined, 'Envoy refuses it too: move it to the other list');
      assert.notEqual(refusals.weft, undefined);
    });
  }
});
