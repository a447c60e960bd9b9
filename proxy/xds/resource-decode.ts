// From the bytes of one response to validated resources: each stands or falls by itself (threats.md S103). It loads the
// schemas, so that whoever has little memory lets another thread do it.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';
import { ConfigError, messageOf } from '../base/error.ts';
import { RESOURCES, resourceName } from '../config/any-registry.ts';
import type { ResourceByType, ResourceType } from '../config/any-registry.ts';
import { decode } from '../config/decode.ts';
import type { ConfigWarning } from '../config/decode-report.ts';
import type { ResourceRefusal } from '../config/discovery.ts';
import type { Schema } from '../config/schema.ts';
import { NAME_TABLE_TYPE } from '../config/type-url.ts';
import type { Wire } from '../config/wire.ts';
import { nameOfType } from './resource-type.ts';
import type { IncomingResource, IncomingResponse } from './variant.ts';

export type AnyResource = ResourceByType[ResourceType];

/** A resource that may be applied. */
export interface DecodedResource {
  readonly name: string;
  readonly version: string;
  readonly resource: AnyResource;
}

export interface DecodedResponse {
  readonly updated: readonly DecodedResource[];
  readonly refused: readonly ResourceRefusal[];
  /** What is ignored. */
  readonly warnings: readonly ConfigWarning[];
}

/** Decodes the resources of one response, here or elsewhere. */
export type DecodeResponse = (
  response: Pick<IncomingResponse, 'type' | 'resources'>,
) => Promise<DecodedResponse>;

export interface DecodeDeps {
  readonly wire: Wire;
  readonly clock: Clock;
}

interface Work extends DecodeDeps {
  readonly warnings: ConfigWarning[];
}

/** Resources are decoded for so long before the event loop gets its turn (design.md section 6). */
const SLICE_MS = 5;

/** Decodes and validates. */
export async function decodeResponse(
  deps: DecodeDeps, response: Parameters<DecodeResponse>[0],
): Promise<DecodedResponse> {
  const { clock } = deps;
  const work: Work = { ...deps, warnings: [] };
  let untilMs = clock.nowMs() + SLICE_MS;
  const updated = new Map<string, DecodedResource>();
  const refused: ResourceRefusal[] = [];
  for (const incoming of response.resources) {
    if (clock.nowMs() > untilMs) {
      await nextTurn();
      untilMs = clock.nowMs() + SLICE_MS;
    }
    const result = decodeResource(work, response.type, incoming);
    if ('reason' in result) refused.push(result);
    else if (updated.has(result.name)) refused.push({ name: result.name, reason: 'is in the response twice' });
    else updated.set(result.name, result);
  }
  // The first of two with one name goes as well: which of them is meant nobody can say.
  for (const { name } of refused) updated.delete(name);
  return { updated: [...updated.values()], refused, warnings: work.warnings };
}

function decodeResource(
  work: Work, type: ResourceType, incoming: IncomingResource,
): DecodedResource | ResourceRefusal {
  const known = incoming.name ?? '';
  if (incoming.typeUrl !== type) return { name: known, reason: `is a ${incoming.typeUrl || 'nothing'}, not a ${type}` };
  const resource = decodeBytes(work, type, incoming);
  if (resource instanceof ConfigError) return { name: nameIn(work.wire, incoming) ?? known, reason: resource.message };
  const name = resourceName(type, resource) || known;
  if (incoming.name !== undefined && name !== known) {
    return { name: known, reason: `names itself '${name}', and came as '${known}'` };
  }
  // Istio's is the only one, and so has none.
  if (name === '' && type !== NAME_TABLE_TYPE) return { name, reason: `${nameOfType(type).singular} without a name` };
  return { name, version: incoming.version, resource };
}

function decodeBytes(
  { wire, warnings }: Work, type: ResourceType, { value }: IncomingResource,
): AnyResource | ConfigError {
  try {
    const { '@type': _type, ...fields } = wire.decodeAny({ typeUrl: type, value });
    const decoded = decode(RESOURCES[type] as Schema<AnyResource>, fields);
    warnings.push(...decoded.warnings);
    return decoded.value ?? joined(decoded.errors);
  } catch (cause) {
    return cause instanceof ConfigError ? cause : new ConfigError('', messageOf(cause));
  }
}

const ERRORS_SHOWN = 3;

function joined(errors: readonly ConfigError[]): ConfigError {
  const shown = errors.slice(0, ERRORS_SHOWN).map(({ message }) => message);
  if (errors.length > ERRORS_SHOWN) shown.push(`and ${errors.length - ERRORS_SHOWN} more`);
  return new ConfigError('', shown.join('; '));
}

/** The name of a resource that was refused, where its bytes can be read at all. */
function nameIn(wire: Wire, { name, typeUrl, value }: IncomingResource): string | undefined {
  if (name !== undefined) return name;
  try {
    const fields = wire.decodeAny({ typeUrl, value });
    const found = fields['name'] ?? fields['clusterName'];
    return typeof found === 'string' ? found : undefined;
  } catch {
    return undefined;
  }
}
