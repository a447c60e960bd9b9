// The kubelet speaks no mutual TLS, and sees the proxy where it means the application: an application's probes and HTTP
// hooks are asked of the sidecar, which asks the application (Istio's ISTIO_KUBE_APP_PROBERS).
import type { FaultList, FaultPath } from './fault-list.ts';
import type { Container, ContainerPort, Lifecycle, Probe, Values } from './pod.ts';

/** Where the sidecar answers for a probe -> what it asks. */
export type AppProbes = Record<string, Values>;

const PROBES = [['readinessProbe', 'readyz'], ['livenessProbe', 'livez'], ['startupProbe', 'startupz']] as const;
const HOOKS = [['preStop', 'prestopz'], ['postStart', 'poststartz']] as const;

/** The container whose probes ask the sidecar; `probes` is told of each. */
export function rewriteProbes(
  container: Container, statusPort: number, probes: AppProbes, faults: FaultList, path: FaultPath,
): Container {
  const { name, ports = [], lifecycle } = container;
  const changed: Record<string, unknown> = {};
  for (const [field, word] of PROBES) {
    const probe = container[field];
    if (probe === undefined) continue;
    const place = `/app-health/${name}/${word}`;
    const rewritten = rewrite(probe, place, { ports, statusPort, probes, faults, path: [...path, field] });
    if (rewritten !== undefined) changed[field] = rewritten;
  }
  if (lifecycle !== undefined) {
    const hooks: { -readonly [K in keyof Lifecycle]: Lifecycle[K] } = { ...lifecycle };
    for (const [field, word] of HOOKS) {
      const hook = lifecycle[field];
      // Only HTTP hooks are led through: those by TCP do nothing in Kubernetes.
      if (hook?.httpGet === undefined) continue;
      const place = `/app-lifecycle/${name}/${word}`;
      const context = { ports, statusPort, probes, faults, path: [...path, 'lifecycle', field] };
      hooks[field] = rewrite(hook, place, context) ?? hook;
    }
    changed['lifecycle'] = hooks;
  }
  return { ...container, ...changed };
}

interface Context {
  readonly ports: readonly ContainerPort[];
  readonly statusPort: number;
  readonly probes: AppProbes;
  readonly faults: FaultList;
  readonly path: FaultPath;
}

/** undefined: it stays as it is, an exec. */
function rewrite(probe: Probe, place: string, { ports, statusPort, probes, faults, path }: Context): Probe | undefined {
  const { httpGet, tcpSocket, grpc, exec, ...rest } = probe;
  const { timeoutSeconds } = probe;
  const timeout = timeoutSeconds === undefined ? {} : { timeoutSeconds };
  const ask = handlerOf({ ...(httpGet && { httpGet }), ...(tcpSocket && { tcpSocket }), ...(grpc && { grpc }) });
  if (ask === undefined || exec !== undefined) return undefined;
  const [kind, handler] = ask;
  const port = typeof handler.port === 'string' ? portByName(handler.port, ports) : handler.port;
  if (port === undefined) {
    faults.error([...path, kind, 'port'], `"${handler.port}" is no port's name of this container`);
    return undefined;
  }
  // It is asked of the sidecar already.
  if (port === statusPort && (httpGet?.path ?? '').startsWith('/app-health/')) return undefined;
  probes[place] = { [kind]: { ...handler, port }, ...timeout };
  return { ...rest, httpGet: { path: place, port: statusPort, scheme: 'HTTP' } };
}

function handlerOf(probe: Probe): readonly ['httpGet' | 'tcpSocket' | 'grpc', { port: number | string }] | undefined {
  if (probe.httpGet !== undefined) return ['httpGet', probe.httpGet];
  if (probe.tcpSocket !== undefined) return ['tcpSocket', probe.tcpSocket];
  return probe.grpc === undefined ? undefined : ['grpc', probe.grpc];
}

function portByName(name: string, ports: readonly ContainerPort[]): number | undefined {
  if (/^[0-9]{1,5}$/.test(name)) return Number(name);
  return ports.find((port) => port.name === name)?.containerPort;
}
