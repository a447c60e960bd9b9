// The log: levels by component, one line a line, floods.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { ConfigError } from '../base/error.ts';
import { Logger, parseLogLevel } from './log.ts';

function capture(level: string): { logger: Logger; lines: string[]; clock: ManualClock } {
  const lines: string[] = [];
  const clock = new ManualClock();
  const logger = new Logger(level, clock, (line) => {
    lines.push(line);
    return true;
  });
  return { logger, lines, clock };
}

test('lines carry time, level and component, and respect the level', () => {
  const { logger, lines } = capture('info');
  const log = logger.component('upstream');
  log.debug('not said');
  log.info('said');
  log.warning('said too');
  assert.deepEqual(lines, [
    '[2023-11-14T22:13:20.000Z][info][upstream] said\n',
    '[2023-11-14T22:13:20.000Z][warning][upstream] said too\n',
  ]);
  assert.deepEqual([log.enabled('debug'), log.enabled('info')], [false, true]);
});

test('levels change for one component, for all, and for those to come', () => {
  const { logger, lines } = capture('off');
  const [config, xds] = [logger.component('config'), logger.component('xds')];
  logger.setLevel('debug', 'config');
  config.debug('a');
  xds.critical('b');
  logger.setLevel('warn');
  config.info('c');
  logger.component('admin').error('d');
  assert.deepEqual(lines.map((line) => line.slice(-2, -1)), ['a', 'd']);
  assert.deepEqual([...logger.levels()], [['admin', 'warning'], ['config', 'warning'], ['xds', 'warning']]);
  assert.throws(() => logger.setLevel('loud'), ConfigError);
  assert.throws(() => logger.setLevel('info', 'nope'), /unknown component 'nope'; known: config, xds, admin/);
  assert.equal(parseLogLevel('loud'), undefined);
});

test('S88 a line stays one line', () => {
  const { logger, lines } = capture('info');
  logger.component('x').info('a\n[2020][info][x] forged\u001b[31m \u2713');
  const [, ...words] = Buffer.from(lines[0]!, 'latin1').toString('utf8').split(' ');
  assert.equal(words.join(' '), 'a\\x0a[2020][info][x] forged\\x1b[31m \u2713\n');
});

test('a flood is cut, said once, and never cuts errors', () => {
  const { logger, lines, clock } = capture('info');
  const log = logger.component('x');
  for (let i = 0; i < 600; i++) log.info(`line ${i}`);
  assert.equal(lines.length, 500);
  log.error('bad');
  assert.deepEqual(lines.slice(500).map((line) => line.slice(line.indexOf(']['))), [
    '][warning][log] 100 lines were left out: too many at once\n', '][error][x] bad\n',
  ]);
  clock.advance(1000);
  for (let i = 0; i < 200; i++) log.info('more');
  assert.equal(lines.length, 602);
});
