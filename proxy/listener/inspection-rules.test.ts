// Where inspectors look at the first bytes of a connection, and where they are off.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Listener } from '../config/listener.ts';
import type { ListenerFilterPredicate } from '../config/listener-filter-predicate.ts';
import { HTTP_INSPECTOR_TYPE, TLS_INSPECTOR_TYPE } from '../config/type-url.ts';
import { inspectionRules } from './inspection-rules.ts';

const port = (start: number, end = start + 1): ListenerFilterPredicate => ({ destinationPortRange: { start, end } });

function at(ports: readonly number[], tls?: ListenerFilterPredicate, http?: ListenerFilterPredicate): string[] {
  const filters = [[TLS_INSPECTOR_TYPE, tls], [HTTP_INSPECTOR_TYPE, http]] as const;
  const listenerFilters = filters.map(([type, off]) =>
    ({ name: type, typedConfig: { '@type': type }, ...(off !== undefined && { filterDisabled: off }) }));
  const rules = inspectionRules({ listenerFilters } as unknown as Listener, false);
  return ports.map((each) => {
    const found = rules?.(each);
    return found === undefined ? '-' : `${found.tls ? 't' : ''}${found.http ? 'h' : ''}`;
  });
}

test('an inspector is off for the ports that filter_disabled names, alone and combined', () => {
  assert.deepEqual(at([80, 15_006]), ['th', 'th']);
  assert.deepEqual(at([80, 15_006, 15_007], port(15_006), port(15_006)), ['th', '-', 'th']);
  assert.deepEqual(at([80, 9000, 9001], undefined, { orMatch: { rules: [port(9000), port(9001)] } }), ['th', 't', 't']);
  assert.deepEqual(at([80, 81], { notMatch: port(80) }, { anyMatch: true }), ['t', '-']);
  assert.deepEqual(at([5, 15], { andMatch: { rules: [port(0, 10), { notMatch: port(5) }] } }), ['th', 'th']);
});

test('without inspectors nothing is waited for, unless chains ask for what a ClientHello says', () => {
  const listener = { listenerFilters: [] } as unknown as Listener;
  assert.equal(inspectionRules(listener, false), undefined);
  assert.deepEqual(inspectionRules(listener, true)?.(80), { tls: true, http: false });
});
