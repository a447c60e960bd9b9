// What every source of objects promises, as one table: a folder of files, and an API server's list and watch.
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../proxy/base/clock.ts';
import { until } from '../../test/harness/until.ts';
import { WatchApi, type ApiObject } from '../../test/harness/watch-api.ts';
import { findingText } from '../model/mesh-object.ts';
import { FileSource } from './files.ts';
import { KubeClient } from './kube-client.ts';
import { KubernetesSource } from './kubernetes.ts';
import type { Source, SourceState } from './source.ts';

/** Where objects lie, and the source that reads them. */
interface Place {
  put(object: ApiObject): void;
  remove(object: ApiObject): void;
  open(): Promise<Source>;
}

const PLACES: Readonly<Record<string, (t: TestContext) => Promise<Place>>> = {
  'a folder of files': filePlace,
  'a Kubernetes API server (node:http)': apiPlace,
};

function filePlace(t: TestContext): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-source-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const fileOf = ({ metadata: { name } }: ApiObject): string => join(folder, `${name}.json`);
  return Promise.resolve({
    put: (object) => {
      writeFileSync(`${fileOf(object)}.new`, JSON.stringify(object));
      renameSync(`${fileOf(object)}.new`, fileOf(object));
    },
    remove: (object) => rmSync(fileOf(object)),
    open: () => Promise.resolve(new FileSource({ folder, clock: systemClock, pollMs: 50, quietMs: 10, waitMaxMs: 50 })),
  });
}

async function apiPlace(t: TestContext): Promise<Place> {
  const api = await WatchApi.start(t);
  const log = { info: () => undefined, warning: () => undefined };
  return {
    put: (object) => api.put(object),
    remove: (object) => api.remove(object),
    open: async () => new KubernetesSource({
      client: await KubeClient.load({ kubeconfig: api.kubeconfig() }), clock: systemClock, log,
      rootNamespace: 'istio-system', quietMs: 10, waitMaxMs: 50, pace: { pageObjects: 2 },
    }),
  };
}

const service = (name: string, port: unknown = 80): ApiObject => ({
  apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' },
  spec: { ports: [{ name: 'http', port }] },
});

class Watched {
  readonly place: Place;
  state: SourceState = { objects: [], refused: [], warnings: [], units: 0 };
  changes = 0;
  source: Source | undefined = undefined;

  constructor(place: Place) {
    this.place = place;
  }

  async start(t: TestContext): Promise<void> {
    this.source = await this.place.open();
    t.after(() => this.source?.close());
    this.state = await this.source.start((state) => {
      this.state = state;
      this.changes++;
    });
  }

  ports(): string {
    return this.state.objects.map(({ name, body }) =>
      `${name}:${(body as { spec: { ports: { port: number }[] } }).spec.ports[0]!.port}`).join(' ');
  }

  untilPorts(ports: string): Promise<void> {
    return until(`${ports}, now ${this.ports()}`, () => this.ports() === ports);
  }
}

type Case = (watched: Watched, t: TestContext) => Promise<void>;

const CASES: Readonly<Record<string, Case>> = {
  'what is there at the start is read, in one order': async (watched, t) => {
    for (const name of ['c', 'a', 'b']) watched.place.put(service(name));
    await watched.start(t);
    assert.equal(watched.ports(), 'a:80 b:80 c:80');
  },
  'what is new, changed and gone is noticed': async (watched, t) => {
    watched.place.put(service('a'));
    await watched.start(t);
    watched.place.put(service('b'));
    await watched.untilPorts('a:80 b:80');
    watched.place.put(service('a', 81));
    await watched.untilPorts('a:81 b:80');
    watched.place.remove(service('a'));
    await watched.untilPorts('b:80');
  },
  'what is written again as it was is no change': async (watched, t) => {
    watched.place.put(service('a'));
    await watched.start(t);
    watched.place.put(service('a'));
    watched.place.put(service('b'));
    await watched.untilPorts('a:80 b:80');
    assert.equal(watched.changes, 1);
  },
  'S103 a bad object is refused, what was good of it stays, and all else applies': async (watched, t) => {
    watched.place.put(service('a'));
    await watched.start(t);
    watched.place.put(service('a', 'no number'));
    watched.place.put(service('b'));
    await until('a refusal', () => watched.state.refused.length > 0);
    await watched.untilPorts('a:80 b:80');
    const [refused] = watched.state.refused;
    assert.equal(refused?.servedObjects, 1);
    assert.match(findingText(refused.errors[0]!), /Service default\/a spec\.ports\[0\]\.port: /);
    watched.place.put(service('a', 82));
    await watched.untilPorts('a:82 b:80');
    assert.deepEqual(watched.state.refused, []);
  },
  'S103 an object that is bad from the start is refused alone': async (watched, t) => {
    watched.place.put(service('a', 'no number'));
    watched.place.put(service('b'));
    await watched.start(t);
    assert.equal(watched.ports(), 'b:80');
    assert.equal(watched.state.refused[0]?.servedObjects, 0);
    watched.place.remove(service('a', 'no number'));
    await until('the refusal is gone', () => watched.state.refused.length === 0);
  },
  'after its end it tells nothing': async (watched, t) => {
    await watched.start(t);
    watched.place.put(service('a'));
    watched.source?.close();
    const other = new Watched(watched.place);
    await other.start(t);
    watched.place.put(service('b'));
    await other.untilPorts('a:80 b:80');
    assert.equal(watched.changes, 0);
  },
};

for (const [place, open] of Object.entries(PLACES)) {
  for (const [title, run] of Object.entries(CASES)) {
    test(`${place}: ${title}`, async (t) => run(new Watched(await open(t)), t));
  }
}
