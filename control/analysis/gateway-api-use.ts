// What the Gateway API's objects are told of themselves, as findings: for people who have files and no API server.
import { attachments } from '../gateway-api/attachment.ts';
import { isFault, type Condition } from '../gateway-api/condition.ts';
import { isOwnGateway } from '../gateway-api/gateway-class.ts';
import { gatewayApiStatuses } from '../gateway-api/status.ts';
import type { Inventory } from '../model/inventory.ts';
import { findingAt, type Finding, type MeshObject } from '../model/mesh-object.ts';
import type { MeshView } from '../translate/mesh-view.ts';

export function gatewayApiFindings({ inventory, settings }: MeshView): Finding[] {
  const statuses = gatewayApiStatuses(inventory, settings.domain);
  return [
    ...statuses.flatMap(({ object, conditions }) => conditions.filter(({ condition }) => isTold(condition))
      .map(({ path, condition }) => conditionFinding(object, path, condition))),
    ...inventory.list('KubernetesGateway').filter((gateway) => !isOwnGateway(inventory, gateway)).map((gateway) =>
      findingAt(gateway, ['spec', 'gatewayClassName'], 'is left alone: the class is not one of this controller')),
    ...orphans(inventory),
    ...lostTargets(inventory),
    ...unreadOptions(inventory),
  ];
}

/** Said of a part already, or of no bearing on files. */
function isTold(condition: Condition): boolean {
  return isFault(condition) && condition.type !== 'Programmed' && condition.reason !== 'ListenersNotValid';
}

function conditionFinding(object: MeshObject, path: readonly (string | number)[], condition: Condition): Finding {
  const finding = findingAt(object, path, `${condition.reason}: ${condition.message}`);
  const isLost = condition.type !== 'PartiallyInvalid' && condition.type !== 'InsecureFrontendValidationMode';
  return isLost ? { ...finding, level: 'error' } : finding;
}

/** Routes that nobody takes. */
function orphans(inventory: Inventory): Finding[] {
  return inventory.derived(attachments).routes.flatMap(({ route, parents }) => {
    if (parents.length > 0) return [];
    const names = (route.body.spec.parentRefs ?? []).map(({ kind = 'Gateway', name }) => `${kind} ${name}`).join(', ');
    const reason = names === '' ? 'names no parent: it has no effect'
      : `has no effect: there is no ${names} of this controller`;
    return [findingAt(route, ['spec', 'parentRefs'], reason)];
  });
}

/** Policies for a Gateway that is not there; classes may be anywhere. */
function lostTargets(inventory: Inventory): Finding[] {
  const policies = [...inventory.list('AuthorizationPolicy'), ...inventory.list('RequestAuthentication'),
    ...inventory.list('Telemetry')];
  return policies.flatMap((policy) => (policy.body.spec?.targetRefs ?? []).flatMap(({ kind, name }, at) => {
    const isThere = kind !== 'Gateway' || inventory.get('KubernetesGateway', policy.namespace, name) !== undefined;
    const reason = `has no effect: there is no Gateway ${policy.namespace}/${name}`;
    return isThere ? [] : [findingAt(policy, ['spec', 'targetRefs', at], reason)];
  }));
}

function unreadOptions(inventory: Inventory): Finding[] {
  const reason = 'is not read: other implementations know such words';
  const options = (at: MeshObject, path: readonly (string | number)[], words: object = {}): Finding[] =>
    Object.keys(words).map((word) => findingAt(at, [...path, word], reason));
  return [
    ...[...inventory.list('KubernetesGateway'), ...inventory.list('ListenerSet')].flatMap((object) =>
      object.body.spec.listeners.flatMap(({ tls }, at) =>
        options(object, ['spec', 'listeners', at, 'tls', 'options'], tls?.options))),
    ...inventory.list('BackendTLSPolicy').flatMap((policy) => options(policy, ['spec', 'options'],
      policy.body.spec.options)),
  ];
}
