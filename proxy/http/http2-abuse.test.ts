// Budgets of the HTTP/2 server over memory: floods end the connection, honest clients never see them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Http2Probe, frame, number32, respond } from '../../test/harness/http2-probe.ts';
import { settle } from '../../test/harness/memory-transport.ts';
import { LIMITS } from '../config/limits.ts';
import { FrameType, Http2Error } from './http2-frame.ts';
import { ResponseHead } from './message.ts';

const { DATA, SETTINGS, PING, PRIORITY, RST_STREAM, WINDOW_UPDATE } = FrameType;

test('S20 rapid reset: cancelled streams that are most of all end the connection', () => {
  const probe = new Http2Probe();
  for (let id = 1; id < 2 * LIMITS.http2ResetsMax; id += 2) {
    probe.send(probe.headers(id), frame(RST_STREAM, 0, id, number32(Http2Error.CANCEL)));
  }
  assert.equal(probe.goAway, undefined);
  probe.send(probe.headers(1001), frame(RST_STREAM, 0, 1001, number32(Http2Error.CANCEL)));
  probe.send(probe.headers(1003), frame(RST_STREAM, 0, 1003, number32(Http2Error.CANCEL)));
  assert.equal(probe.goAway, Http2Error.ENHANCE_YOUR_CALM);
  assert.equal(probe.count('resetFlood'), 1);
  assert.ok(probe.requests.every(({ error }) => error?.kind === 'downstream-reset'), 'work for it goes on');
});

test('S20 a client that cancels now and then is left alone', () => {
  const probe = new Http2Probe();
  respond(probe);
  for (let id = 1; id < 2000; id += 2) {
    if (id % 8 === 1) probe.send(probe.headers(id, [], false), frame(RST_STREAM, 0, id, number32(Http2Error.CANCEL)));
    else probe.send(probe.headers(id));
  }
  assert.equal(probe.goAway, undefined);
  assert.equal(probe.requests.length, 1000);
});

test('S21 resets that the peer provokes count as its own', () => {
  const probe = new Http2Probe();
  for (let id = 1; id < 400 && probe.goAway === undefined; id += 2) {
    probe.send(probe.headers(id, [], false), frame(WINDOW_UPDATE, 0, id, number32(0)));
  }
  assert.equal(probe.goAway, Http2Error.ENHANCE_YOUR_CALM);
  assert.equal(probe.requests.length, LIMITS.http2ResetsMax + 1);
});

test('S24 floods of PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA and unknown frames', () => {
  const floods: [string, (id: number) => Buffer][] = [
    ['PING', () => frame(PING, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', () => frame(SETTINGS, 0, 0)],
    ['unknown', () => frame(0xbe, 0, 0)],
    ['PRIORITY', (id) => frame(PRIORITY, 0, 2 * id + 3, Buffer.concat([number32(0), Buffer.from([1])]))],
    ['WINDOW_UPDATE', () => frame(WINDOW_UPDATE, 0, 0, number32(1))],
    ['empty DATA', () => frame(DATA, 0, 1)],
    ['tiny DATA', () => frame(DATA, 0, 1, Buffer.from('x'))],
  ];
  for (const [name, make] of floods) {
    const probe = new Http2Probe();
    probe.send(probe.headers(1, [], false));
    let sent = 0;
    for (let step = 50; sent < 1_200_000 && probe.goAway === undefined; sent += step) {
      if (sent >= 10_000) step = 2000;
      probe.send(Buffer.concat(Array.from({ length: step }, (_, i) => make(sent + i))));
      if (sent % 1000 === 0 && probe.goAway === undefined) probe.transport.written = '';
    }
    assert.equal(probe.goAway, Http2Error.ENHANCE_YOUR_CALM, `${name} after ${sent} frames`);
  }
});

test('S24 a PING for each round of data is earned; without data it is a flood, however much there was before', () => {
  const probe = new Http2Probe();
  const ping = frame(PING, 0, 0, Buffer.alloc(8));
  respond(probe);
  const rounds = 4 * LIMITS.http2ControlFramesMax;
  for (let id = 1; id < 2 * rounds; id += 2) {
    probe.send(probe.headers(id), ping);
    probe.transport.written = '';
  }
  assert.equal(probe.requests.length, rounds);
  assert.equal(probe.count('inboundControlFramesFlood'), 0);
  probe.clock.advance(LIMITS.http2BudgetWindowMs);
  for (let i = 0; i < LIMITS.http2ControlFramesMax; i++) probe.send(ping);
  assert.equal(probe.count('inboundControlFramesFlood'), 0);
  probe.send(ping);
  assert.equal(probe.count('inboundControlFramesFlood'), 1);
});

test('S24 small messages of many calls are no flood', () => {
  const probe = new Http2Probe();
  probe.reply = ({ stream }) => stream.sendResponseHead(new ResponseHead(204), true);
  for (let id = 1; id < 120_000; id += 2) {
    probe.send(probe.headers(id, [], false), frame(DATA, 0, id, Buffer.from('tiny')), probe.headers(id, [], true, []));
    probe.transport.written = '';
  }
  assert.equal(probe.count('inboundEmptyFramesFlood'), 0);
  assert.equal(probe.requests.length, 60_000);
});

test('S24 answers that nobody reads are bounded', async () => {
  const probe = new Http2Probe();
  await settle();
  probe.transport.stalled = true;
  respond(probe, 'x'.repeat(40_000));
  probe.send(probe.headers(1));
  await settle();
  for (let i = 0; i < 300 && probe.goAway === undefined; i++) probe.send(frame(PING, 0, 0, Buffer.alloc(8)));
  assert.equal(probe.goAway, Http2Error.ENHANCE_YOUR_CALM);
  assert.equal(probe.count('outboundControlFlood'), 1);
});
