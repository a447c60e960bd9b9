// docker-compose as a program: `docker compose` where there is one, else `docker-compose`; one project at a time.
import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FILE = `${ROOT}docker-compose.yml`;
const OUTPUT_BYTES_MAX = 16_777_216;

const run = promisify(execFile);

/** What starts docker-compose; undefined where there is neither. */
export function composeCommand(): readonly string[] | undefined {
  return [['docker', 'compose'], ['docker-compose']].find(([program = '', ...args]) => {
    try {
      execFileSync(program, [...args, 'version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

export class Compose {
  readonly #command: readonly string[];
  readonly #project: string;
  readonly #env: Readonly<Record<string, string>>;

  /** `env` is what the file's variables stand for. Throws where there is no docker-compose. */
  constructor(project: string, env: Readonly<Record<string, string>>) {
    const command = composeCommand();
    if (command === undefined) throw new Error('neither `docker compose` nor `docker-compose` is installed');
    this.#command = command;
    this.#project = project;
    this.#env = env;
  }

  /** What it printed; rejects with its complaint. */
  async run(...args: readonly string[]): Promise<string> {
    const [program = '', ...first] = this.#command;
    return this.#run(program, [...first, '-p', this.#project, '-f', FILE, '--project-directory', ROOT, ...args]);
  }

  async docker(...args: readonly string[]): Promise<string> {
    return this.#run('docker', args);
  }

  /** Of a service's container. */
  async containerOf(service: string): Promise<string> {
    const id = (await this.run('ps', '-q', service)).trim();
    if (id === '') throw new Error(`${service} has no container`);
    return id;
  }

  /** 0 while it does not run. */
  async pidOf(service: string): Promise<number> {
    const text = await this.docker('inspect', '-f', '{{.State.Pid}}', await this.containerOf(service));
    return Number(text.trim());
  }

  async #run(program: string, args: readonly string[]): Promise<string> {
    const env = { ...process.env, ...this.#env };
    const { stdout } = await run(program, args, { env, maxBuffer: OUTPUT_BYTES_MAX, encoding: 'utf8' });
    return stdout;
  }
}
