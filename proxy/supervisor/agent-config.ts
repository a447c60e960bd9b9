// How a proxy finds its certificate authority: node.metadata.WEFT_CA of the bootstrap, which Envoy ignores.
import { isTrustDomain } from '../../certs/spiffe.ts';
import { ConfigError } from '../base/error.ts';
import { nearestName } from '../config/nearest-name.ts';

/** Checked settings of the node agent. */
export interface AgentConfig {
  /** HOST:PORT of Istio's certificate service over TLS. */
  readonly address: string;
  /** File with the workload token; read again for each request. */
  readonly tokenFile: string;
  /** File with the roots that the authority is verified with; read again for each request. */
  readonly rootFile: string;
  readonly trustDomain: string;
  /** Unix socket on which the certificate is given to other proxies; none by default. */
  readonly sdsSocket?: string;
}

const PATH = 'node.metadata.WEFT_CA';
const FIELDS = ['address', 'token_file', 'root_file', 'trust_domain', 'sds_socket'];

/** The settings in `metadata`, or undefined when the agent is not asked for. Throws a ConfigError with the field. */
export function agentConfigOf(metadata: Readonly<Record<string, unknown>>): AgentConfig | undefined {
  const value = metadata['WEFT_CA'];
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(PATH, `expected an object with ${FIELDS.join(', ')}`);
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  for (const name of fields.keys()) {
    if (!FIELDS.includes(name)) throw new ConfigError(`${PATH}.${name}`, `unknown field${nearestName(name, FIELDS)}`);
  }
  const trustDomain = fields.has('trust_domain') ? text(fields, 'trust_domain') : 'cluster.local';
  if (!isTrustDomain(trustDomain)) {
    throw new ConfigError(`${PATH}.trust_domain`, `"${trustDomain}" has other characters than a-z, 0-9, ".", "-", "_"`);
  }
  const [tokenFile, rootFile] = [text(fields, 'token_file'), text(fields, 'root_file')];
  const sds = fields.has('sds_socket') ? { sdsSocket: text(fields, 'sds_socket') } : {};
  return { address: addressOf(fields), tokenFile, rootFile, trustDomain, ...sds };
}

function addressOf(fields: ReadonlyMap<string, unknown>): string {
  const address = text(fields, 'address');
  const port = /^(?:\[[0-9a-fA-F:.]+\]|[^:/\s[\]]+):(\d{1,5})$/.exec(address)?.[1];
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new ConfigError(`${PATH}.address`, `expected HOST:PORT, found "${address}"`);
  }
  return address;
}

function text(fields: ReadonlyMap<string, unknown>, name: string): string {
  const value = fields.get(name);
  if (typeof value === 'string' && value !== '') return value;
  throw new ConfigError(`${PATH}.${name}`, value === undefined ? 'is missing' : 'expected a text that is not empty');
}
