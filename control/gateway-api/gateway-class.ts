// Which Gateways are this controller's: those of a GatewayClass with its name, and of the class weft where nobody says
// otherwise.
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import type { Fault } from './condition.ts';

export const CONTROLLER_NAME = 'weft.dev/gateway-controller';
/** The class that needs no object. */
export const CLASS_NAME = 'weft';

export function isOwnClass({ body }: MeshObject<'GatewayClass'>): boolean {
  return body.spec.controllerName === CONTROLLER_NAME;
}

/** A class that is not accepted has no gateways. */
export function classFault({ body }: MeshObject<'GatewayClass'>): Fault | undefined {
  const { parametersRef } = body.spec;
  return parametersRef === undefined ? undefined : {
    reason: 'InvalidParameters', message: `parametersRef ${parametersRef.kind}: no kind of parameters is known`,
  };
}

export function isOwnGateway(inventory: Inventory, { body }: MeshObject<'KubernetesGateway'>): boolean {
  const { gatewayClassName } = body.spec;
  const gatewayClass = inventory.get('GatewayClass', '', gatewayClassName);
  if (gatewayClass === undefined) return gatewayClassName === CLASS_NAME;
  return isOwnClass(gatewayClass) && classFault(gatewayClass) === undefined;
}
