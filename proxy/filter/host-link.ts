// A worker's questions to the supervisor for virtual hosts that no request has asked for before; so many and no more.
import type { HostAnswer } from '../config/host-demand.ts';
import type { HostUses } from './host-use.ts';

export interface HostService {
  /** Answers once, later. False: too many requests wait already, and there will be no answer. */
  ask(table: string, authority: string, done: (answer: HostAnswer) => void): boolean;
  readonly uses: Pick<HostUses, 'begin' | 'end'>;
}

/** Requests that wait, of one worker; all for one host are one question. */
export const HOST_WAITS_MAX = 1024;

/** Longer than any name that DNS carries, with a port. */
const AUTHORITY_MAX = 262;

export class HostLink implements HostService {
  readonly uses: HostUses;
  readonly #send: (table: string, authority: string) => void;
  readonly #waiting = new Map<string, ((answer: HostAnswer) => void)[]>();
  #count = 0;

  constructor(send: (table: string, authority: string) => void, uses: HostUses) {
    this.uses = uses;
    this.#send = send;
  }

  ask(table: string, authority: string, done: (answer: HostAnswer) => void): boolean {
    if (this.#count >= HOST_WAITS_MAX || authority.length > AUTHORITY_MAX) return false;
    this.#count++;
    const name = `${table}/${authority}`;
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) {
      this.#waiting.set(name, [done]);
      this.#send(table, authority);
    } else {
      waiting.push(done);
    }
    return true;
  }

  /** The supervisor's answer. */
  answer(table: string, authority: string, answer: HostAnswer): void {
    const name = `${table}/${authority}`;
    const waiting = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    this.#count -= waiting.length;
    for (const done of waiting) done(answer);
  }
}
