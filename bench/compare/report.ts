// What a run of the comparison leaves: one table on the terminal, and ratios in a file.
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Figures, Row, Run } from './measure.ts';

const HEAD = [
  'row', 'proxy', 'CPU', 'ratio', 'rate', 'p50 ms', 'p99 ms', 'RSS MB', 'KB each', 'connects/1000', 'errors',
];
/** Columns of text; the others are figures. */
const LEFT = 2;

/** One line a row and proxy, and what the rows mean. */
export function table(rows: readonly Row[]): string {
  const groups = rows.map((row) => [...row.figures].map(([name, figures]) => cellsOf(row, name, figures)));
  const widths = HEAD.map((title, i) => Math.max(title.length, ...groups.flat().map((cells) => cells[i]!.length)));
  const line = (cells: readonly string[]): string => cells.map((cell, i) =>
    i < LEFT ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join('  ').trimEnd();
  const meanings = rows.map(({ id, title }) => `${id.padEnd(widths[0]!)}  ${title}`);
  return [line(HEAD), ...groups.map((group) => group.map(line).join('\n')), '', ...meanings].join('\n');
}

function cellsOf({ id, per }: Row, name: string, figures: Figures): string[] {
  const { cpu, ratio, rate, p50Ms, p99Ms, rssMb, eachKb, connects, errors } = figures;
  const number = (value: number | undefined, digits: number, unit = ''): string =>
    value === undefined || Number.isNaN(value) ? '-' : value.toFixed(digits) + unit;
  return [
    id, name, per === 'GB' ? number(cpu, 2, ' s/GB') : number(cpu, 1, ' us'), number(ratio, 2),
    per === 'GB' ? number(rate, 2, ' GB/s') : number(rate, 0, '/s'), number(p50Ms, 2), number(p99Ms, 2),
    number(rssMb, 0), number(eachKb, 1), number(connects, 2), String(errors),
  ];
}

/** Only ratios mean anything on another day or machine. Gives the path, or undefined without Envoy to compare with. */
export async function save(rows: readonly Row[], { rounds, seconds }: Run): Promise<string | undefined> {
  const ratios = Object.fromEntries(rows.map(({ id, figures }) => [id, ratiosOf(figures)]));
  if (!rows.some(({ figures }) => figures.has('envoy'))) return undefined;
  const date = new Date().toISOString().slice(0, 10);
  const commit = commitOfTree();
  const what = 'CPU per request or byte, and resident sets, as ratios to Envoy in the same run, '
    + 'in workers-2 to the same proxy with one worker, in crowds to it without the crowd; sidecar-like';
  const file = fileURLToPath(new URL(`../results/${date}-${commit}.json`, import.meta.url));
  await writeFile(file, `${JSON.stringify({ date, commit, what, rounds, seconds, ratios }, undefined, 2)}\n`);
  return file;
}

function ratiosOf(figures: Row['figures']): Record<string, number> {
  return Object.fromEntries([...figures].flatMap(([name, { ratio }]) =>
    ratio === undefined || Number.isNaN(ratio) ? [] : [[name, Number(ratio.toFixed(3))]]));
}

/** With `-dirty` where files differ from the commit, `unknown` outside of a repository. */
function commitOfTree(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--exclude', '*'], {
      encoding: 'utf8', cwd: fileURLToPath(new URL('.', import.meta.url)), stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}
