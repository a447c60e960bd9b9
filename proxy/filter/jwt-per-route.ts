// What the token filter is told for one route: another requirement, or none.
import type { PerRouteConfig } from '../config/jwt-authn.ts';

export class JwtRouteSettings {
  /** Undefined: tokens are not looked at. */
  readonly requirementName: string | undefined;

  constructor({ disabled, requirementName }: PerRouteConfig) {
    this.requirementName = disabled === true ? undefined : requirementName;
  }
}
