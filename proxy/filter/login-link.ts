// A worker's questions to the supervisor about logins that wait for an answer; so many and no more.
import type { LoginAnswer, LoginProvider, LoginQuestion } from '../config/login-exchange.ts';

export interface LoginService {
  /** Answers once, later. False: too many wait already, and there will be no answer. */
  ask(provider: LoginProvider, question: LoginQuestion, done: (answer: LoginAnswer) => void): boolean;
}

/** Each holds a request that waits; a flood of them is refused before it reaches the provider. */
export const LOGIN_QUESTIONS_MAX = 256;

export class LoginLink implements LoginService {
  readonly #send: (id: number, provider: LoginProvider, question: LoginQuestion) => void;
  readonly #waiting = new Map<number, (answer: LoginAnswer) => void>();
  #nextId = 0;

  constructor(send: (id: number, provider: LoginProvider, question: LoginQuestion) => void) {
    this.#send = send;
  }

  ask(provider: LoginProvider, question: LoginQuestion, done: (answer: LoginAnswer) => void): boolean {
    if (this.#waiting.size >= LOGIN_QUESTIONS_MAX) return false;
    const id = this.#nextId++;
    this.#waiting.set(id, done);
    this.#send(id, provider, question);
    return true;
  }

  /** The supervisor's answer. */
  answer(id: number, answer: LoginAnswer): void {
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    done?.(answer);
  }
}
