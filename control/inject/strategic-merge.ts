// A container that the pod's author wrote under the sidecar's name changes it: Kubernetes' strategic merge.
import { isRecord, type Container, type Values } from './pod.ts';

/** Lists of a container whose entries are told apart by a field; other lists are replaced. */
const KEYS: ReadonlyMap<string, string> = new Map([
  ['env', 'name'], ['ports', 'containerPort'], ['volumeMounts', 'mountPath'], ['volumeDevices', 'devicePath'],
]);
/** Istio's word for the image of the template. */
const TEMPLATES_IMAGE = 'auto';

export function overridden(template: Container, wish: Container): Container {
  const { image, ...rest } = wish;
  const wanted = image === undefined || image === TEMPLATES_IMAGE ? rest : wish;
  return merged({ ...template }, { ...wanted }) as unknown as Container;
}

function merged(base: Values, change: Values): Values {
  const result: Values = { ...base };
  for (const [name, value] of Object.entries(change)) {
    const before = base[name];
    const key = KEYS.get(name);
    if (value === null) delete result[name];
    else if (isRecord(value) && isRecord(before)) result[name] = merged(before, value);
    else if (key !== undefined && isListOfRecords(value) && isListOfRecords(before)) {
      result[name] = mergedList(before, value, key);
    } else result[name] = value;
  }
  return result;
}

function mergedList(base: readonly Values[], change: readonly Values[], key: string): Values[] {
  const rest = new Map(change.map((item) => [item[key], item]));
  const kept = base.map((item) => {
    const found = rest.get(item[key]);
    rest.delete(item[key]);
    if (found === undefined) return item;
    // A value and a source of one exclude each other.
    return 'value' in found || 'valueFrom' in found ? found : merged(item, found);
  });
  return [...kept, ...rest.values()];
}

function isListOfRecords(value: unknown): value is readonly Values[] {
  return Array.isArray(value) && value.every(isRecord);
}
