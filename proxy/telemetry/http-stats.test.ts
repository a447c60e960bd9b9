// The connection manager's stats: classes, and what ends a request that no upstream answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleStream } from '../../test/harness/stream-sample.ts';
import { HttpStats } from './http-stats.ts';
import { flagBit } from './response-flag.ts';
import { httpScope, statName } from './stat-name.ts';
import { Stats } from './stats.ts';

test('requests are counted by class and by what ended them', () => {
  const stats = new Stats({ chunk: () => {}, register: () => {} });
  const scope = httpScope('in');
  const http = new HttpStats(stats, scope);
  const value = (name: string): number => stats.counter(statName(scope, name)).value;
  const end = (status: number, detail: string, flags = 0): void => {
    const info = sampleStream();
    Object.assign(info, { status, detail, flags });
    http.requestStarted();
    http.requestEnded(info);
  };
  end(200, 'via_upstream');
  end(404, 'route_not_found', flagBit('NR'));
  end(503, 'cluster_not_found', flagBit('NC'));
  end(418, 'direct_response');
  end(301, 'direct_response');
  end(0, 'downstream_remote_disconnect', flagBit('DC'));
  end(408, 'stream_idle_timeout', flagBit('SI'));
  end(408, 'request_overall_timeout');
  end(504, 'max_duration_timeout', flagBit('UMSDR'));
  const ends = [
    'no_route', 'no_cluster', 'rq_direct_response', 'rq_redirect', 'downstream_rq_rx_reset',
    'downstream_rq_idle_timeout', 'downstream_rq_timeout', 'downstream_rq_max_duration_reached',
  ];
  for (const name of ends) assert.equal(value(name), 1, name);
  const classes = ['2xx', '3xx', '4xx', '5xx'].map((name) => value(`downstream_rq_${name}`));
  assert.deepEqual(classes, [1, 1, 4, 2]);
  assert.deepEqual([value('downstream_rq_total'), value('downstream_rq_completed')], [9, 8]);
});
