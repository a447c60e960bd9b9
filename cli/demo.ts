// `weft demo`: the whole mesh on this machine with Bookinfo in it; with --check the guided tour on ports of its own.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Demo } from '../examples/demo/demo.ts';
import type { DemoOptions } from '../examples/demo/demo.ts';
import { runTour } from '../examples/demo/tour.ts';
import { messageOf } from '../proxy/base/error.ts';
import { UsageError } from './usage.ts';

export const HELP = `usage: weft demo [options]

      --check         the guided tour: each step is checked and printed; exit status 1 if one fails
      --port N        port of the product page (default 8080; another one is taken when it is in use)
      --config DIR    the mesh's YAML; default is a copy of examples/bookinfo/mesh in a temporary folder
      --zipkin URL    send the spans to this Zipkin v2 collector as well (…/api/v2/spans); may be repeated
`;

const OPTIONS = {
  check: { type: 'boolean' },
  port: { type: 'string' },
  config: { type: 'string' },
  zipkin: { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h' },
} as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const port = values.port ?? (values.check === true ? '0' : '8080');
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new UsageError(`--port takes a port number, not "${port}"`);
  }
  const collectors = values.zipkin ?? [];
  const bad = collectors.find((url) => !URL.canParse(url) || !url.startsWith('http'));
  if (bad !== undefined) {
    throw new UsageError(`--zipkin takes a URL like http://127.0.0.1:9411/api/v2/spans, not "${bad}"`);
  }
  return start({
    port: Number(port), conventionalPorts: values.check !== true, zipkin: collectors,
    configDir: values.config === undefined ? undefined : resolve(values.config),
    say: (line) => process.stdout.write(`${line}\n`),
  }, values.check === true);
}

async function start(options: DemoOptions, check: boolean): Promise<number> {
  options.say('starting the mesh: control plane, certificate authority, gateway, and Bookinfo with a sidecar each …');
  const startMs = performance.now();
  const demo = await Demo.plan(options);
  const stop = Promise.withResolvers<number>();
  let signals = 0;
  const interrupted = (): void => {
    stop.resolve(130);
    // A second signal doesn't wait for anybody, and still leaves nobody behind.
    if (++signals > 1) demo.abandon();
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  try {
    const up = demo.start().then(() => undefined);
    if ((await Promise.race([up, stop.promise])) === 130) return 130;
    options.say(`everything is up after ${((performance.now() - startMs) / 1000).toFixed(1)} s\n`);
    if (check) return await Promise.race([runTour(demo, options.say), stop.promise]);
    options.say(whereToLook(demo));
    await stop.promise;
    return 0;
  } catch (cause) {
    process.stderr.write(`weft demo: ${messageOf(cause)}\n`);
    return 1;
  } finally {
    options.say('stopping …');
    await demo.stop();
  }
}

function whereToLook(demo: Demo): string {
  const productpage = demo.workload('productpage-v1');
  return `  product page   ${demo.productPageUrl}   (sign in as jason to be routed differently, once a rule says so)
  as JSON        http://127.0.0.1:${demo.gatewayPort}/api/v1/products/0
  traces         ${demo.tracesUrl}
  metrics        ${demo.adminUrl(productpage)}/stats/prometheus   (one per sidecar; this is the product page's)
  mesh YAML      ${demo.meshDir}   (edit a file, watch the traffic change)

Try next:
  cp examples/bookinfo/tasks/jason-v2.yaml ${demo.meshDir}/task.yaml     jason sees black stars, everybody else none
  cp examples/bookinfo/tasks/delay-jason.yaml ${demo.meshDir}/task.yaml  7 s of delay before ratings, for jason only
  npx weft status --http 127.0.0.1:${demo.httpPort}                      which proxy runs what, and what was refused
  npx weft demo --check                                        the whole tour, checked, beside this one
Ctrl-C ends everything.
`;
}
