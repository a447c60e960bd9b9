// `weft analyze DIR`: mistakes in a folder of Istio YAML, each with its place, before any proxy sees it.
import { parseArgs } from 'node:util';
import { analyzeFolder, type Analysis } from '../control/analysis/analysis.ts';
import { findingText, type Finding } from '../control/model/mesh-object.ts';
import { messageOf } from '../proxy/base/error.ts';
import { UsageError } from './usage.ts';

export const HELP = `usage: weft analyze DIR [options]

      --json   the findings as JSON

Reads the folder as the control plane would. Exit status: 0 no errors (there may be warnings), 1 errors, 2 usage.
`;

const OPTIONS = {
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const [folder, extra] = positionals;
  if (folder === undefined) throw new UsageError('DIR is missing');
  if (extra !== undefined) throw new UsageError(`takes one folder, "${extra}" is one more`);
  const analysis = await readFolder(folder);
  process.stdout.write(values.json === true ? jsonText(analysis) : analysisText(analysis));
  return analysis.errors.length === 0 ? 0 : 1;
}

async function readFolder(folder: string): Promise<Analysis> {
  let analysis: Analysis;
  try {
    analysis = await analyzeFolder(folder);
  } catch (cause) {
    throw new UsageError(`cannot read ${folder}: ${messageOf(cause)}`);
  }
  if (analysis.files === 0) throw new UsageError(`${folder} has no .yaml, .yml or .json file`);
  return analysis;
}

function analysisText({ files, objects, errors, warnings }: Analysis): string {
  const lines = [
    ...errors.map((finding) => `error: ${findingText(finding)}`),
    ...warnings.map((finding) => `warning: ${findingText(finding)}`),
    `${count(objects, 'object')} in ${count(files, 'file')}: `
      + `${count(errors.length, 'error')}, ${count(warnings.length, 'warning')}`,
  ];
  return `${lines.join('\n')}\n`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function jsonText({ files, objects, errors, warnings }: Analysis): string {
  const findings = [
    ...errors.map((finding) => entry('error', finding)), ...warnings.map((finding) => entry('warning', finding)),
  ];
  return `${JSON.stringify({ files, objects, findings }, null, 2)}\n`;
}

function entry(level: 'error' | 'warning', { where, object, path, reason }: Finding): object {
  const [, file = where, line] = /^(.*):([0-9]+)$/.exec(where) ?? [];
  return { level, file, ...(line !== undefined && { line: Number(line) }), resource: object, path, reason };
}
