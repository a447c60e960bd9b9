// One scenario through one proxy: does what each step says, and writes down what came of it.
import { Agent, get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { assertFits } from './chi-squared.ts';
import type { Outcome, Scenario, Step, TimedProxy } from './over-time.ts';
import type { ScriptHost } from './script-hosts.ts';

interface Answer {
  readonly status: number;
  readonly flags: string;
  readonly host: string;
  readonly tries: string;
}

/** Turns without any change after which sockets have nothing more to do. */
const QUIET_TURNS = 8;
const KEYS_MAX = 2000;
/** Of the requests whose shares are looked at. */
const AT_ONCE = 20;
const WAIT_MS = 5000;

/** One scenario through one proxy. */
export class ScenarioRun {
  readonly #scenario: Scenario;
  readonly #hosts: readonly ScriptHost[];
  readonly #proxy: TimedProxy;
  readonly #agent: Agent;
  readonly #keys = new Map<string, string>();
  readonly #checkedMs = new Map<string, number>();
  #counted = new Map<string, number>();
  #answers: Answer[] = [];
  #open = 0;
  #port = 0;

  constructor(scenario: Scenario, hosts: readonly ScriptHost[], proxy: TimedProxy) {
    this.#scenario = scenario;
    this.#hosts = hosts;
    this.#proxy = proxy;
    this.#agent = new Agent({ keepAlive: scenario.tcp !== true, maxSockets: Number.POSITIVE_INFINITY });
  }

  async run(): Promise<Outcome[]> {
    this.#port = await this.#proxy.port();
    if (this.#scenario.tcp !== true) await this.#findKeys();
    await this.#holdChecks();
    this.#answers = [];
    await this.#figures();
    const outcomes: Outcome[] = [];
    for (const step of this.#scenario.steps) outcomes.push(await this.#step(step));
    this.#agent.destroy();
    return outcomes;
  }

  async #step(step: Step): Promise<Outcome> {
    for (const [host, behaviour] of Object.entries(step.set ?? {})) await this.#host(host).set(behaviour);
    if (step.pass !== undefined) await this.#proxy.pass(step.pass * 1000);
    const gap = step.check === undefined ? undefined : await this.#check(step.check);
    for (const letter of step.ask ?? '') await this.#finish(this.#send(letter));
    for (const letter of step.start ?? '') void this.#send(letter);
    for (const status of step.release ?? []) this.#release(status);
    await this.#settle(step.still === true);
    const answers = step.anyAnswer === true ? [] : this.#answers.slice();
    this.#answers = [];
    if (step.shares !== undefined) await this.#share(step.shares);
    const figures = await this.#figures();
    return {
      answers: this.#counts(answers), figures,
      ...(gap !== undefined && this.#scenario.unitMs !== undefined && { gap }),
    };
  }

  async #share({ requests, weights }: NonNullable<Step['shares']>): Promise<void> {
    for (let left = requests; left > 0; left -= AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(left, AT_ONCE) }, () => this.#send('.')));
    }
    const hosts = ['-', ...this.#scenario.hosts.split('')];
    const counts = hosts.map((name) => this.#answers.filter(({ host }) => host === name).length);
    this.#answers = [];
    assertFits(counts, hosts.map((name) => weights[name] ?? 0), `${this.#scenario.name}, ${JSON.stringify(weights)}`);
  }

  /** Resolves when no answer is missing but those that hosts hold, or that wait for a connection, or for time. */
  async #settle(still: boolean): Promise<void> {
    let quiet = 0;
    for (let before = ''; quiet < QUIET_TURNS;) {
      await this.#proxy.turn();
      const held = this.#hosts.reduce((sum, host) => sum + host.held.length, 0);
      const pending = await this.#proxy.stat('cluster.app.upstream_rq_pending_active');
      const now = `${this.#open} ${held} ${pending}`;
      quiet = now === before ? quiet + 1 : 0;
      before = now;
      if (quiet < QUIET_TURNS || still || this.#open === held + pending) continue;
      quiet = 0;
      await this.#proxy.tick();
    }
  }

  async #finish(answer: Promise<void>): Promise<void> {
    let done = false;
    void answer.then(() => {
      done = true;
    });
    for (let turns = 0; !done; turns++) {
      await this.#proxy.turn();
      if (turns >= QUIET_TURNS) await this.#proxy.tick();
    }
  }

  async #check(script: string): Promise<number> {
    const [name = '', what = ''] = script.split(' ');
    const host = this.#host(name);
    const before = await this.#checks();
    if (what === 'refuse') await host.set('refuse');
    else await this.#until(`a check of ${name}`, () => host.checks.length > 0, true);
    const asked = this.#proxy.nowMs();
    if (what !== 'hang') host.releaseCheck(what);
    await this.#until(`the check's end at ${name}`, async () => (await this.#checks()) !== before, what === 'hang');
    const since = asked - (this.#checkedMs.get(name) ?? asked);
    // The answer begins the interval; silence ends only when it is noticed.
    this.#checkedMs.set(name, what === 'hang' ? this.#proxy.nowMs() : asked);
    return Math.floor((since + 30) / (this.#scenario.unitMs ?? 1));
  }

  async #until(what: string, holds: () => boolean | Promise<boolean>, timed: boolean): Promise<void> {
    for (const end = performance.now() + WAIT_MS; !(await holds());) {
      if (performance.now() > end) throw new Error(`${what} does not come`);
      await (timed ? this.#proxy.tick() : this.#proxy.turn());
    }
  }

  async #checks(): Promise<number> {
    const [passed, failed] = await Promise.all(['success', 'failure'].map((name) => (
      this.#proxy.stat(`cluster.app.health_check.${name}`)
    )));
    return passed! + failed!;
  }

  /** Answers so far went by themselves; from now on the script gives them. */
  async #holdChecks(): Promise<void> {
    const { checked = '' } = this.#scenario;
    const first = async (): Promise<boolean> => (await this.#checks()) >= this.#hosts.length;
    if (checked !== '') await this.#until('the first checks', first, true);
    for (const name of checked) this.#host(name).checkDoes = undefined;
    for (const name of checked) {
      await this.#until(`a check of ${name}`, () => this.#host(name).checks.length > 0, true);
    }
  }

  #release(status: string): void {
    this.#hosts.find(({ held }) => held.length > 0)?.release(status);
  }

  #host(name: string): ScriptHost {
    return this.#hosts.find((host) => host.name === name)!;
  }

  /** By which hash each host is chosen while all are well. */
  async #findKeys(): Promise<void> {
    for (let i = 0; this.#keys.size < this.#hosts.length && i < KEYS_MAX; i++) {
      await this.#finish(this.#request({ 'x-key': `k${i}`, 'x-find': '1' }));
      const host = this.#answers.pop()!.host;
      if (!this.#keys.has(host)) this.#keys.set(host, `k${i}`);
    }
  }

  #send(letter: string): Promise<void> {
    return this.#request(letter === '.' ? {} : { 'x-key': this.#keys.get(letter)! });
  }

  async #request(headers: Record<string, string>): Promise<void> {
    this.#open++;
    const answer = await this.#exchange(headers);
    // It may belong to a later step than the request.
    this.#answers.push(answer);
    this.#open--;
  }

  #exchange(headers: Record<string, string>): Promise<Answer> {
    return new Promise((resolve) => {
      const request = get({ host: '127.0.0.1', port: this.#port, agent: this.#agent, headers }, (response) => {
        const answer = answerOf(response);
        response.resume().on('end', () => resolve(answer)).on('error', () => resolve({ ...answer, flags: 'cut' }));
      });
      request.on('error', () => resolve({ status: 0, flags: 'closed', host: '-', tries: '-' }));
    });
  }

  #counts(answers: readonly Answer[]): string[] {
    const counts = new Map<string, number>();
    for (const { status, flags, host, tries } of answers) {
      const line = [status, flags, ...(this.#scenario.byHost === false ? [] : [host]), tries].join(' ');
      counts.set(line, (counts.get(line) ?? 0) + 1);
    }
    return [...counts].map(([line, count]) => `${count}x ${line}`).toSorted();
  }

  async #figures(): Promise<Record<string, number>> {
    const { counters = [], gauges = [] } = this.#scenario;
    const figures: Record<string, number> = {};
    for (const name of gauges) figures[name] = await this.#proxy.stat(`cluster.app.${name}`);
    const counted = new Map<string, number>();
    for (const name of counters) {
      const value = await this.#proxy.stat(`cluster.app.${name}`);
      counted.set(name, value);
      if (value !== this.#counted.get(name)) figures[name] = value - (this.#counted.get(name) ?? 0);
    }
    this.#counted = counted;
    return figures;
  }
}

function answerOf({ statusCode = 0, headers }: IncomingMessage): Answer {
  const field = (name: string): string => String(headers[name] ?? '-');
  return {
    // Envoy writes flags in the order in which they came.
    status: statusCode, flags: field('x-flags').split(',').toSorted().join(), host: field('x-host'),
    tries: field('x-envoy-attempt-count'),
  };
}
