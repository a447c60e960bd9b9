// How a proxy's life is tied to its application's: node.metadata.WEFT_LIFECYCLE of the bootstrap, which Envoy ignores,
// and what Istio says of it (ProxyConfig in node.metadata.PROXY_CONFIG, its agent's variables).
import { ConfigError } from '../base/error.ts';
import type { HostPort } from '../base/host-port.ts';
import { LIMITS } from '../config/limits.ts';
import { nearestName } from '../config/nearest-name.ts';
import type { DrainPlan } from './drain.ts';

export interface LifecycleConfig {
  readonly drain: DrainPlan;
  /** Where probes ask GET /healthz/ready; Istio's port is 15021. */
  readonly health?: HostPort;
  /** Unix socket of the handshake with the application. */
  readonly socket?: string;
  /** Of the socket; 0600 as long as nobody says that other users are meant. */
  readonly socketMode: number;
}

type Metadata = Readonly<Record<string, unknown>>;
type Environment = Readonly<Record<string, string | undefined>>;

/** Where it is said. */
export const LIFECYCLE = 'node.metadata.WEFT_LIFECYCLE';
const FIELDS = ['health', 'socket', 'socket_mode', 'grace_period'];
/** Istio's for MINIMUM_DRAIN_DURATION. */
const MINIMUM_MS = 5000;
/** Of the grace period, kept for the end itself. */
const RESERVE = 0.1;
const RESERVE_MIN_MS = 1000;

/** Throws a ConfigError with the field, or the variable. `drainTimeMs` is the command line's and goes before all. */
export function lifecycleOf(metadata: Metadata, env: Environment, drainTimeMs?: number): LifecycleConfig {
  const fields = fieldsOf(metadata);
  const grace = fields['grace_period'];
  const graceMs = grace === undefined ? undefined : duration(`${LIFECYCLE}.grace_period`, grace);
  const health = fields['health'];
  return {
    drain: drainPlan(metadata, env, graceMs, drainTimeMs),
    ...(health !== undefined && { health: hostPort(health) }),
    ...(fields['socket'] !== undefined && { socket: word('socket', fields['socket']) }),
    socketMode: modeOf(fields['socket_mode']),
  };
}

function fieldsOf(metadata: Metadata): Readonly<Record<string, unknown>> {
  const value = metadata['WEFT_LIFECYCLE'] ?? {};
  if (!isObject(value)) throw new ConfigError(LIFECYCLE, `expected an object with ${FIELDS.join(', ')}`);
  const other = Object.keys(value).find((name) => !FIELDS.includes(name));
  if (other !== undefined) throw new ConfigError(`${LIFECYCLE}.${other}`, `unknown field${nearestName(other, FIELDS)}`);
  return value;
}

/**
 * Istio's agent waits for terminationDrainDuration, whoever is connected; with EXIT_ON_ZERO_ACTIVE_CONNECTIONS for
 * MINIMUM_DRAIN_DURATION and then until nobody is. Without either this proxy ends when nobody is connected.
 */
function drainPlan(
  metadata: Metadata, env: Environment, graceMs: number | undefined, drainTimeMs: number | undefined,
): DrainPlan {
  const proxyConfig = isObject(metadata['PROXY_CONFIG']) ? metadata['PROXY_CONFIG'] : {};
  const proxyMetadata = isObject(proxyConfig['proxyMetadata']) ? proxyConfig['proxyMetadata'] : {};
  const variable = (name: string): unknown => env[name] ?? proxyMetadata[name];
  const minimum = variable('MINIMUM_DRAIN_DURATION');
  const minimumOr = (ms: number): number => minimum === undefined ? ms : duration('MINIMUM_DRAIN_DURATION', minimum);
  const exits = variable('EXIT_ON_ZERO_ACTIVE_CONNECTIONS');
  const exitsOnZero = exits === 'true' || exits === true;
  const termination = terminationMs(proxyConfig, env);
  const longest = drainTimeMs
    ?? (graceMs === undefined ? LIMITS.drainTimeoutMs : graceMs - Math.max(RESERVE_MIN_MS, graceMs * RESERVE));
  if (longest <= 0) throw new ConfigError(`${LIFECYCLE}.grace_period`, 'leaves no time: a second is the end\'s');
  if (termination !== undefined && !exitsOnZero) {
    const deadlineMs = Math.min(termination, longest);
    return { deadlineMs, minimumMs: deadlineMs, endsWhenEmpty: false };
  }
  const minimumMs = Math.min(longest, minimumOr(exitsOnZero ? MINIMUM_MS : 0));
  return { deadlineMs: longest, minimumMs, endsWhenEmpty: true };
}

function terminationMs(proxyConfig: Metadata, env: Environment): number | undefined {
  const [name, seconds] = ['TERMINATION_DRAIN_DURATION_SECONDS', env['TERMINATION_DRAIN_DURATION_SECONDS']];
  if (seconds !== undefined) return duration(name, `${seconds}s`);
  const configured = proxyConfig['terminationDrainDuration'];
  if (configured === undefined) return undefined;
  return duration('node.metadata.PROXY_CONFIG.terminationDrainDuration', configured);
}

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** `5s`, `1m30s`, `500ms`. */
function duration(where: string, value: unknown): number {
  const text = typeof value === 'string' ? value : '';
  if (!/^(?:\d{1,9}(?:\.\d{1,9})?(?:h|ms|m|s))+$/.test(text)) {
    throw new ConfigError(where, `expected a duration as "30s", found ${JSON.stringify(value)}`);
  }
  let sum = 0;
  for (const [, number, unit = 's'] of text.matchAll(/([\d.]+)(h|ms|m|s)/g)) sum += Number(number) * UNIT_MS[unit]!;
  return sum;
}

function hostPort(value: unknown): HostPort {
  const text = word('health', value);
  const [, ipv6, host = ipv6, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/\s[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new ConfigError(`${LIFECYCLE}.health`, `expected HOST:PORT, found "${text}"`);
}

function word(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new ConfigError(`${LIFECYCLE}.${name}`, 'expected a text that is not empty');
}

function modeOf(value: unknown): number {
  if (value === undefined) return 0o600;
  if (typeof value === 'string' && /^0?[0-7]{3}$/.test(value)) return Number.parseInt(value, 8);
  throw new ConfigError(`${LIFECYCLE}.socket_mode`, 'expected a file mode as "0660"');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
