// What injection finds wrong, or odd, in a pod: by the path of the field.
import type { Refusal } from '../../proxy/config/schema.ts';

export type FaultPath = readonly (string | number)[];

export interface InjectionFault {
  readonly path: FaultPath;
  readonly reason: string;
}

export class FaultList {
  readonly errors: InjectionFault[] = [];
  readonly warnings: InjectionFault[] = [];

  error(path: FaultPath, reason: string): void {
    this.errors.push({ path, reason });
  }

  refuse(path: FaultPath, refusal: Refusal): void {
    this.errors.push({ path: [...path, ...refusal.at], reason: refusal.reason });
  }

  warn(path: FaultPath, reason: string): void {
    this.warnings.push({ path, reason });
  }
}

export function faultText({ path, reason }: InjectionFault): string {
  return path.length === 0 ? reason : `${path.join('.')}: ${reason}`;
}
