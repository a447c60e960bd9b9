// The default limits fit together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from './limits.ts';

test('limits fit together', () => {
  const { headersBytesMax, requestLineBytesMax, headerLineBytesMax } = LIMITS;
  assert.ok(headersBytesMax >= requestLineBytesMax + headerLineBytesMax, 'legal lines fit in a head');
  assert.ok(LIMITS.headersBytesMax <= LIMITS.readBytesMin, 'a whole head fits in the first read');
  assert.ok(LIMITS.readBytesMin <= LIMITS.readBytesMax);
  assert.ok(LIMITS.streamBufferBytes <= LIMITS.connectionBufferBytes);
  assert.ok(LIMITS.chunkExtensionBytesMax <= LIMITS.chunkExtensionsBytesMax);
  assert.ok(LIMITS.clientHelloBytesMax <= LIMITS.connectionBufferBytes);
  assert.ok(LIMITS.inspectorTimeoutMs <= LIMITS.tlsHandshakeTimeoutMs, 'looking at a handshake is part of making it');
  assert.ok(LIMITS.connectTimeoutMs < LIMITS.routeTimeoutMs, 'a try can fail to connect and be repeated in time');
  assert.ok(LIMITS.streamIdleTimeoutMs <= LIMITS.idleTimeoutMs);
  assert.ok(LIMITS.upstreamIdleMs < LIMITS.idleTimeoutMs);
  assert.ok(LIMITS.dnsTtlMinMs <= LIMITS.dnsRefreshMs);
  assert.ok(LIMITS.retryConcurrencyMin <= LIMITS.clusterRetriesMax);
  assert.ok(LIMITS.configDepthMax * 2 <= LIMITS.configNodesMax);
});

test('every limit is a positive finite number', () => {
  for (const [name, value] of Object.entries(LIMITS)) assert.ok(Number.isFinite(value) && value > 0, name);
});
