// The folder of configuration: changes arrive, bad files do not, and what was good stays.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../proxy/base/clock.ts';
import { ConfigError } from '../../proxy/base/error.ts';
import { findingText } from '../model/mesh-object.ts';
import { FileSource } from './files.ts';
import type { SourceState } from './source.ts';

const service = (name: string) => `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { ports: [{ port: 80, name: http }] }
`;

/** A watched folder; `until` waits for a state. */
class Watched {
  readonly folder: string;
  state: SourceState = { objects: [], refused: [], warnings: [], units: 0 };
  #source: FileSource | undefined;

  constructor(t: TestContext) {
    this.folder = mkdtempSync(join(tmpdir(), 'weft-files-'));
    t.after(() => {
      this.#source?.close();
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  async start(): Promise<void> {
    this.#source = new FileSource({ folder: this.folder, clock: systemClock, pollMs: 50, quietMs: 10, waitMaxMs: 100 });
    this.state = await this.#source.start((state) => {
      this.state = state;
    });
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.folder, file), text);
  }

  names(): string[] {
    return this.state.objects.map(({ name }) => name);
  }

  async until(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + 20_000;
    while (!condition()) {
      assert.ok(performance.now() < deadline, JSON.stringify([this.names(), this.state.refused]));
      await delay(5);
    }
  }

  async untilNames(...names: string[]): Promise<void> {
    await this.until(() => this.names().join() === names.join());
  }
}

test('reads yaml, yml and json, one folder deep, and leaves other files alone', async (t) => {
  const watched = new Watched(t);
  mkdirSync(join(watched.folder, 'sub', 'deeper'), { recursive: true });
  watched.write('a.yaml', `${service('a1')}---\n${service('a2')}`);
  watched.write('b.yml', service('b'));
  watched.write('c.json', JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'c' }, spec: {} }));
  watched.write('sub/d.yaml', service('d'));
  watched.write('sub/deeper/e.yaml', service('e'));
  watched.write('.hidden.yaml', service('h'));
  watched.write('a.yaml.new', service('n'));
  watched.write('README.md', 'not configuration');
  await watched.start();
  assert.deepEqual(watched.names(), ['a1', 'a2', 'b', 'c', 'd']);
  assert.equal(watched.state.units, 4);
});

test('a new, a changed and a deleted file are noticed', async (t) => {
  const watched = new Watched(t);
  watched.write('a.yaml', service('a'));
  await watched.start();
  watched.write('b.yaml', service('b'));
  await watched.untilNames('a', 'b');
  watched.write('a.yaml', service('c'));
  await watched.untilNames('c', 'b');
  unlinkSync(join(watched.folder, 'b.yaml'));
  await watched.untilNames('c');
});

test('F03 S103 a bad file is refused whole, its last good content is served, a mended one taken back', async (t) => {
  const watched = new Watched(t);
  watched.write('a.yaml', service('a'));
  await watched.start();
  watched.write('a.yaml', `${service('new')}---\n${service('b').replace('ports', 'prts')}`);
  await watched.until(() => watched.state.refused.length === 1);
  assert.deepEqual(watched.names(), ['a']);
  const [refused] = watched.state.refused;
  assert.equal(refused?.file, 'a.yaml');
  assert.equal(refused.servedObjects, 1);
  assert.match(findingText(refused.errors[0]!), /^a\.yaml:9: Service default\/b spec\.prts: .*did you mean 'ports'/);
  watched.write('a.yaml', service('b'));
  await watched.untilNames('b');
  assert.deepEqual(watched.state.refused, []);
});

test('F03 a file that is bad from the start serves nothing, and the others are served', async (t) => {
  const watched = new Watched(t);
  watched.write('a.yaml', 'kind: [');
  watched.write('b.yaml', service('b'));
  await watched.start();
  assert.deepEqual(watched.names(), ['b']);
  assert.match(findingText(watched.state.refused[0]!.errors[0]!), /^a\.yaml:1/);
});

test('S91 a bomb of aliases is refused', async (t) => {
  const watched = new Watched(t);
  const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`);
  watched.write('a.yaml', `l0: &l0 x\n${levels.join('\n')}\n`);
  await watched.start();
  assert.match(watched.state.refused[0]!.errors.map(findingText).join('\n'), /aliases more than 100 times/);
});

test('S91 duplicate keys, custom tags and deep nesting are refused', async (t) => {
  const watched = new Watched(t);
  watched.write('keys.yaml', 'kind: a\nkind: b\n');
  watched.write('tags.yaml', 'kind: !!js/function x\n');
  watched.write('deep.yaml', `${'['.repeat(5000)}${']'.repeat(5000)}\n`);
  await watched.start();
  assert.deepEqual(watched.state.refused.map(({ file }) => file), ['deep.yaml', 'keys.yaml', 'tags.yaml']);
});

test('an object that another file has already is refused where it is new, and taken when the other goes', async (t) => {
  const watched = new Watched(t);
  watched.write('b.yaml', service('s'));
  await watched.start();
  watched.write('a.yaml', service('s'));
  await watched.until(() => watched.state.refused.length === 1);
  assert.match(findingText(watched.state.refused[0]!.errors[0]!), /^a\.yaml:1: Service default\/s: .*in b\.yaml:1/);
  unlinkSync(join(watched.folder, 'b.yaml'));
  await watched.until(() => watched.state.refused.length === 0);
  assert.deepEqual(watched.state.objects.map(({ origin }) => origin.file), ['a.yaml']);
});

test('an object may move from one file to another in one go', async (t) => {
  const watched = new Watched(t);
  watched.write('a.yaml', service('x'));
  watched.write('b.yaml', service('y'));
  await watched.start();
  watched.write('a.yaml', service('y'));
  watched.write('b.yaml', service('x'));
  await watched.untilNames('y', 'x');
  await watched.until(() => watched.state.refused.length === 0);
});

test('F28 a rename swap and a flipped link are changes', async (t) => {
  const watched = new Watched(t);
  mkdirSync(join(watched.folder, '..1'));
  mkdirSync(join(watched.folder, '..2'));
  watched.write('..1/a.yaml', service('one'));
  watched.write('..2/a.yaml', service('two'));
  symlinkSync('..1', join(watched.folder, '..data'));
  symlinkSync('..data/a.yaml', join(watched.folder, 'a.yaml'));
  watched.write('b.yaml', service('b'));
  await watched.start();
  assert.deepEqual(watched.names(), ['one', 'b']);
  symlinkSync('..2', join(watched.folder, '..new'));
  renameSync(join(watched.folder, '..new'), join(watched.folder, '..data'));
  await watched.untilNames('two', 'b');
  watched.write('b.tmp', service('c'));
  renameSync(join(watched.folder, 'b.tmp'), join(watched.folder, 'b.yaml'));
  await watched.untilNames('two', 'c');
});

test('F28 a folder that goes away keeps what was read, says so, and may come back', async (t) => {
  const watched = new Watched(t);
  watched.write('a.yaml', service('a'));
  await watched.start();
  renameSync(watched.folder, `${watched.folder}-gone`);
  await watched.until(() => watched.state.refused.length === 1);
  assert.deepEqual(watched.names(), ['a']);
  assert.match(findingText(watched.state.refused[0]!.errors[0]!), /there is no such folder/);
  renameSync(`${watched.folder}-gone`, watched.folder);
  await watched.until(() => watched.state.refused.length === 0);
  watched.write('b.yaml', service('b'));
  await watched.untilNames('a', 'b');
});

test('a folder that is missing at the start is one line', async () => {
  const source = new FileSource({ folder: '/nowhere/at/all', clock: systemClock });
  await assert.rejects(source.start(() => undefined), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.message, '/nowhere/at/all: there is no such folder');
    return true;
  });
});
