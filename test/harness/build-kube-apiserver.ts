// `npm run build:kube-apiserver`: builds the real API server and fetches Istio's and the Gateway API's CRDs, once.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CRD_FOLDER, KUBERNETES_VERSION, cachedApiServer } from './kube-peers.ts';
import { findProgram } from './peers.ts';

// A cold build of some 1,500 packages on two cores.
const BUILD_TIMEOUT_MS = 3_600_000;
const ISTIO_API = 'istio.io/api@v1.31.1';
const GATEWAY_API = 'sigs.k8s.io/gateway-api@v1.6.0';

interface Download {
  readonly Dir: string;
  readonly GoMod: string;
}

const go = findProgram('go') ?? '/usr/local/go/bin/go';

function run(folder: string, ...args: readonly string[]): string {
  return execFileSync(go, args, {
    cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], timeout: BUILD_TIMEOUT_MS,
  });
}

function download(folder: string, module: string): Download {
  return JSON.parse(run(folder, 'mod', 'download', '-json', module)) as Download;
}

/** Kubernetes' own go.mod names its staging modules by folder; their published versions are v0 of the same number. */
function moduleFile(kubernetes: Download): string {
  const staged = [...readFileSync(kubernetes.GoMod, 'utf8').matchAll(/^\s*(k8s\.io\/\S+) => \.\/staging\//gm)];
  const version = KUBERNETES_VERSION.replace(/^v1/, 'v0');
  const replaced = staged.map(([, name]) => `replace ${name} => ${name} ${version}\n`);
  return `module peer\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes ${KUBERNETES_VERSION}\n\n${replaced.join('')}`;
}

function buildApiServer(binary: string): void {
  const folder = `${binary}.module`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'go.mod'), 'module peer\n');
  writeFileSync(join(folder, 'go.mod'), moduleFile(download(folder, `k8s.io/kubernetes@${KUBERNETES_VERSION}`)));
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(KUBERNETES_VERSION)!;
  const version = { gitVersion: KUBERNETES_VERSION, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' };
  const stamps = Object.entries(version).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
  const command = 'k8s.io/kubernetes/cmd/kube-apiserver';
  run(folder, 'build', '-mod=mod', '-buildvcs=false', '-ldflags', `-s -w ${stamps.join(' ')}`, '-o', `${binary}.new`,
    command);
  renameSync(`${binary}.new`, binary);
  rmSync(folder, { recursive: true, force: true });
}

function fetchCrds(): void {
  const scratch = `${CRD_FOLDER}.module`;
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  mkdirSync(CRD_FOLDER, { recursive: true });
  writeFileSync(join(scratch, 'go.mod'), 'module peer\n');
  const istio = join(download(scratch, ISTIO_API).Dir, 'kubernetes', 'customresourcedefinitions.gen.yaml');
  writeFileSync(join(CRD_FOLDER, 'istio.yaml'), readFileSync(istio));
  for (const channel of ['standard', 'experimental']) {
    const folder = join(download(scratch, GATEWAY_API).Dir, 'config', 'crd', channel);
    const files = readdirSync(folder).filter((name) => /^gateway\.networking.*\.yaml$/.test(name)).toSorted();
    const text = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n---\n');
    writeFileSync(join(CRD_FOLDER, `gateway-api-${channel}.yaml`), text);
  }
  rmSync(scratch, { recursive: true, force: true });
}

fetchCrds();
const { path } = cachedApiServer();
if (!existsSync(path)) buildApiServer(path);
process.stdout.write(`${path}\n`);
