// What Istio's objects are told of themselves: whether they are in force, and what is odd about them (IstioStatus).
import { KINDS } from '../model/kind.ts';
import { titleOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import type { SourceState } from '../source/source.ts';
import type { WantedStatus } from '../source/status-writer.ts';

/** Of a condition's message. */
const MESSAGE_MAX = 2000;
const MESSAGES_MAX = 20;

/** Of every object of Istio's kinds that has a status: all but what no API server has. */
export function istioStatuses({ objects, refused }: SourceState, findings: readonly Finding[]): WantedStatus[] {
  const byTitle = new Map<string, Finding[]>();
  for (const finding of findings) {
    const known = byTitle.get(finding.object);
    if (known === undefined) byTitle.set(finding.object, [finding]);
    else known.push(finding);
  }
  const bad = refused.flatMap(({ object, errors }) => (
    object !== undefined && hasStatus(object) ? [statusOf(object, object.generation, errors, true)] : []));
  const isBad = new Set(bad.map(({ object }) => titleOf(object)));
  const good = objects.filter((object) => hasStatus(object) && !isBad.has(titleOf(object)));
  return [...bad, ...good.map((object) =>
    statusOf(object, generationOf(object), byTitle.get(titleOf(object)) ?? [], false))];
}

function hasStatus({ kind }: Pick<MeshObject, 'kind'>): boolean {
  return /\.istio\.io$/.test(KINDS[kind].group) && kind !== 'MeshConfig';
}

function statusOf(
  { kind, namespace, name }: WantedStatus['object'], generation: number | undefined, found: readonly Finding[],
  isRefused: boolean,
): WantedStatus {
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const text = found.map(({ path, reason }) => (path === '' ? reason : `${path}: ${reason}`)).join('\n');
  const condition = {
    type: 'Reconciled', status: isRefused ? 'False' : 'True', reason: isRefused ? 'Refused' : 'InForce',
    message: text.slice(0, MESSAGE_MAX), ...observed,
  };
  const level = (finding: Finding): string => (isRefused || finding.level === 'error' ? 'ERROR' : 'WARNING');
  const validationMessages = found.slice(0, MESSAGES_MAX).map((finding) => (
    { type: isRefused ? { name: 'InvalidObject', code: 'WEFT0001' } : { name: 'Analysis', code: 'WEFT0002' },
      level: level(finding) }));
  return { object: { kind, namespace, name }, status: { conditions: [condition], validationMessages, ...observed } };
}

function generationOf({ body }: MeshObject): number | undefined {
  const { generation } = body.metadata;
  return typeof generation === 'number' ? generation : undefined;
}
