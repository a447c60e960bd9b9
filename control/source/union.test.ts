// Several sources as one: precedence, what is hidden, and changes of any of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from '../../proxy/config/yaml-file.ts';
import { decodeObjects } from '../model/decode-object.ts';
import { findingText } from '../model/mesh-object.ts';
import type { Source, SourceState } from './source.ts';
import { UnionSource } from './union.ts';

/** A source that has what it is told to. */
class Told implements Source {
  readonly name: string;
  #tell: ((state: SourceState) => void) | undefined = undefined;
  #state: SourceState;
  isClosed = false;

  constructor(name: string, services: readonly string[]) {
    this.name = name;
    this.#state = stateOf(name, services);
  }

  async start(onChange: (state: SourceState) => void): Promise<SourceState> {
    this.#tell = onChange;
    return this.#state;
  }

  become(services: readonly string[]): void {
    this.#state = stateOf(this.name, services);
    this.#tell?.(this.#state);
  }

  close(): void {
    this.isClosed = true;
  }
}

function stateOf(file: string, services: readonly string[]): SourceState {
  const yaml = services.map((name) => `---\napiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec: {}\n`);
  const { objects } = decodeObjects(parseYaml(yaml.join(''), file).documents, file);
  return { objects, refused: [], warnings: [], units: 1 };
}

function shown({ objects }: SourceState): string[] {
  return objects.map(({ name, origin }) => `${origin.file} ${name}`);
}

test('the first source that has an object of a name holds, whenever it comes', async () => {
  const [files, consul] = [new Told('files', ['a']), new Told('consul', ['a', 'b'])];
  const union = new UnionSource([files, consul]);
  let state: SourceState | undefined = undefined as SourceState | undefined;
  const first = await union.start((next) => {
    state = next;
  });
  assert.equal(union.name, 'files, consul');
  assert.deepEqual(shown(first), ['files a', 'consul b']);
  assert.deepEqual(first.warnings.map(findingText),
    ['consul:2: Service default/a: has no effect: files:2 has one of that name, which holds']);
  assert.equal(first.units, 2);
  files.become(['b']);
  assert.deepEqual(shown(state!), ['files b', 'consul a']);
  consul.become(['c']);
  assert.deepEqual([shown(state!), state!.warnings], [['files b', 'consul c'], []]);
  union.close();
  assert.deepEqual([files.isClosed, consul.isClosed], [true, true]);
});
