// `npm run test:interop`: brings the independent peers that registries have, says what it skips,
// runs the interop tests.
import { spawnSync } from 'node:child_process';
import { findAutobahn } from '../harness/autobahn.ts';
import { GO_TOOLS, findGoTool } from '../harness/go-tools.ts';
import { findKubePeers } from '../harness/kube-peers.ts';
import { findEnvoy, findProgram, reasonToSkip } from '../harness/peers.ts';

const envoy = findEnvoy(true);
const env = { ...process.env };
const skipped = reasonToSkip(envoy);
if (skipped === false) env['WEFT_ENVOY'] = envoy;

process.stdout.write(`Envoy: ${skipped === false ? envoy : `skipped, ${skipped}`}\n`);
for (const tool of GO_TOOLS) {
  const found = findGoTool(tool, true);
  const without = reasonToSkip(found);
  process.stdout.write(`${tool}: ${without === false ? found : `skipped, ${without}`}\n`);
}
const kube = findKubePeers();
const kubeText = typeof kube === 'string' ? kube.replace('skip:', 'skipped,') : kube.apiServer;
process.stdout.write(`kube-apiserver: ${kubeText}\n`);
const autobahn = findAutobahn(true);
const withoutAutobahn = reasonToSkip(autobahn);
process.stdout.write(`Autobahn's cases: ${withoutAutobahn === false ? autobahn : `skipped, ${withoutAutobahn}`}\n`);
for (const program of ['curl', 'nghttp', 'nghttpd', 'openssl', 'promtool', 'nginx', 'haproxy', 'wrk']) {
  process.stdout.write(`${program}: ${findProgram(program) ?? 'not installed; what needs it is skipped'}\n`);
}

const flags = ['--test', '--test-reporter=spec', '--test-concurrency=1', '--test-timeout=300000'];
process.exitCode = spawnSync(process.execPath, [...flags, 'test/interop/**/*.test.ts'], {
  stdio: 'inherit', env,
}).status ?? 1;
