// Brings the peers that are written in Go: each is built once, from pinned versions in a module of its own.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PEER_CACHE, findProgram } from './peers.ts';

const BUILD_TIMEOUT_MS = 3_600_000;

export type GoTool = 'get-client' | 'h2spec' | 'grpc-interop-client' | 'grpc-interop-server'
  | 'ratelimit' | 'miniredis' | 'opa' | 'istiod' | 'gateway-conformance' | 'echo-basic';

interface Source {
  readonly package: string;
  /** Go of a program around a package that is only a library. */
  readonly main?: string;
  /** `module@version`: the tool's own first, then what it leaves open. */
  readonly modules: readonly string[];
  /** `module@version` in place of what the tool's own go.mod has from a folder beside it. */
  readonly replaced?: string;
  /** Built when it is asked for by name alone: it takes many minutes. */
  readonly isHeavy?: boolean;
}

const GATEWAY_API_VERSION = 'v1.6.0';
const GATEWAY_API = {
  modules: [`sigs.k8s.io/gateway-api/conformance@${GATEWAY_API_VERSION}`],
  replaced: `sigs.k8s.io/gateway-api@${GATEWAY_API_VERSION}`, isHeavy: true,
};
const GRPC = ['google.golang.org/grpc@v1.85.0'];

const SOURCES: Readonly<Record<GoTool, Source>> = {
  'get-client': {
    package: '', modules: [],
    main: `package main

import (
\t"fmt"
\t"io"
\t"net/http"
\t"os"
)

func main() {
\tresponse, err := http.Get(os.Args[1])
\tif err != nil {
\t\tpanic(err)
\t}
\tbody, _ := io.ReadAll(response.Body)
\tfmt.Printf("%s%d", body, response.StatusCode)
}
`,
  },
  h2spec: {
    package: 'github.com/summerwind/h2spec/cmd/h2spec',
    // It has no go.mod: without these its dependencies would be the newest of the day.
    modules: ['github.com/summerwind/h2spec@v2.2.1+incompatible', 'golang.org/x/net@v0.62.0',
      'github.com/spf13/cobra@v1.10.2', 'github.com/fatih/color@v1.19.0'],
  },
  'grpc-interop-client': { package: 'google.golang.org/grpc/interop/client', modules: GRPC },
  'grpc-interop-server': { package: 'google.golang.org/grpc/interop/server', modules: GRPC },
  ratelimit: {
    package: 'github.com/envoyproxy/ratelimit/src/service_cmd',
    // It has no releases: a commit of its main branch.
    modules: ['github.com/envoyproxy/ratelimit@v1.4.1-0.20260122083618-3fb702589d36'],
  },
  istiod: {
    package: 'istio.io/istio/pilot/cmd/pilot-discovery',
    // Releases have no versions of their module: a commit of its main branch, after 1.31.
    modules: ['istio.io/istio@v0.0.0-20260827124520-eed52ebb66ad'],
    isHeavy: true,
  },
  'echo-basic': { package: 'sigs.k8s.io/gateway-api/conformance/echo-basic', ...GATEWAY_API },
  'gateway-conformance': {
    package: 'sigs.k8s.io/gateway-api/conformance', ...GATEWAY_API,
    main: `package main

import (
\t"regexp"
\t"testing"

\t"sigs.k8s.io/gateway-api/conformance"
)

func main() {
\ttesting.Main(regexp.MatchString, []testing.InternalTest{{Name: "TestConformance", F: conformance.RunConformance}},
\t\tnil, nil)
}
`,
  },
  opa: { package: 'github.com/open-policy-agent/opa', modules: ['github.com/open-policy-agent/opa@v1.22.2'] },
  miniredis: {
    package: 'github.com/alicebob/miniredis/v2',
    modules: ['github.com/alicebob/miniredis/v2@v2.40.0'],
    main: `package main

import (
\t"os"

\t"github.com/alicebob/miniredis/v2"
)

func main() {
\tif err := miniredis.NewMiniRedis().StartAddr(os.Args[1]); err != nil {
\t\tpanic(err)
\t}
\tselect {}
}
`,
  },
};

export const GO_TOOLS = (Object.keys(SOURCES) as GoTool[]).filter((tool) => SOURCES[tool].isHeavy !== true);

/** The tool's binary, built when `build` says so. A string beginning with `skip:` says why there is none. */
export function findGoTool(tool: GoTool, build: boolean): string {
  const { modules, isHeavy = false } = SOURCES[tool];
  // The version is in the name, so that another pin is another file.
  const binary = join(PEER_CACHE, 'go', `${tool}-${modules[0]?.split('@')[1] ?? 'v1'}`);
  if (existsSync(binary)) return binary;
  const how = isHeavy ? `"node test/harness/build-go-tool.ts ${tool}"` : '"npm run test:interop"';
  if (!build) return `skip: no ${tool} here; ${how} builds it when Go is there`;
  // Where Go's own archives put it, without changing the PATH.
  const go = findProgram('go') ?? existing('/usr/local/go/bin/go');
  if (go === undefined) return `skip: no ${tool} and no Go to build it with`;
  try {
    buildIn(`${binary}.module`, go, SOURCES[tool], binary);
    return binary;
  } catch (cause) {
    return `skip: ${tool} could not be built: ${complaint(cause)}`;
  } finally {
    rmSync(`${binary}.module`, { recursive: true, force: true });
  }
}

function existing(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}

function buildIn(
  folder: string, go: string, { package: name, modules, main, replaced }: Source, binary: string,
): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const run = (...args: string[]): void => {
    execFileSync(go, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], timeout: BUILD_TIMEOUT_MS });
  };
  // The file keeps Go from looking for a module in the folders above.
  const [own = '', version = ''] = replaced?.split('@') ?? [];
  const replace = own === '' ? '' : `replace ${own} => ${own} ${version}\n`;
  writeFileSync(join(folder, 'go.mod'), `module peer\n${replace}`);
  // With its version, or Go looks for a newer one.
  if (replaced !== undefined) run('get', `${name}@${modules[0]?.split('@')[1]}`);
  else if (modules.length > 0) run('get', ...modules, name);
  if (main !== undefined) writeFileSync(join(folder, 'main.go'), main);
  run('build', '-o', binary, main === undefined ? name : '.');
}

/** Go's own last word, or that of what it ran. */
function complaint(cause: unknown): string {
  const { stderr, message } = cause as { stderr?: Buffer; message: string };
  const lines = (stderr?.toString('utf8').trim() || message).split('\n');
  return lines.findLast((line) => line.startsWith('go: ') && !line.includes('downloading')) ?? lines.at(-1)!;
}
