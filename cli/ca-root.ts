// `weft ca root` and `weft ca intermediate`: changing the authority's root step by step, and keeping a root offline.
import { parseArgs } from 'node:util';
import { bundleNumber } from '../certs/chain.ts';
import { createIntermediate } from '../certs/intermediate.ts';
import type { Passphrase } from '../certs/issuer.ts';
import { readText } from '../proxy/base/private-file.ts';
import { addRoot, listRoots, removeRoot, switchRoot } from '../certs/root-rotation.ts';
import type { RotationOptions } from '../certs/root-rotation.ts';
import { issuerFolders, openStore } from '../certs/store.ts';
import { systemClock } from '../proxy/base/clock.ts';
import { ConfigError } from '../proxy/base/error.ts';
import { UsageError } from './usage.ts';

export const ROOT_HELP = `       weft ca root list|add|switch|remove --dir DIR [--id ID] [--from FOLDER]
       weft ca intermediate --root FOLDER --dir DIR

A new root without a failed request, while authority and sidecars run. \`root add\` gives everybody the new root beside
the old one. \`root switch\` signs by it, and sidecars renew within a minute. \`root remove\` takes the old root away.
Before the next step wait until agent.bundle is what \`root list\` shows and agent.issued_by_first_root 1, everywhere.

      --id ID              which root, as \`root list\` shows it; needed where there are several
      --from FOLDER        add the authority that lies there, not a new root
      --root FOLDER        \`intermediate\`: the root's folder, made when missing; take it offline afterwards
      --passphrase-file F  opens and encrypts keys; for the root's own: --root-passphrase-file
`;

const OPTIONS = {
  dir: { type: 'string' },
  id: { type: 'string' },
  from: { type: 'string' },
  root: { type: 'string' },
  'trust-domain': { type: 'string' },
  'passphrase-file': { type: 'string' },
  'root-passphrase-file': { type: 'string' },
  json: { type: 'boolean' },
} as const;

export function isRootCommand([first]: readonly string[]): boolean {
  return first === 'root' || first === 'intermediate';
}

export function runRootCommand(args: readonly string[]): number {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  const { dir, id, from } = values;
  if (dir === undefined) throw new UsageError('--dir DIR is missing');
  const passphrase = passphraseOf(values['passphrase-file']);
  const options: RotationOptions = { dir, passphrase, clock: systemClock };
  if (positionals[0] === 'root' && issuerFolders(dir).length === 0) {
    throw new ConfigError('', `there is no authority here; run: weft ca --dir ${dir}`, dir);
  }
  switch (positionals.join(' ')) {
    case 'root list': return list(options, values.json === true);
    case 'root add': return done(options, `added root ${addRoot(options, from)}`);
    case 'root switch': return done(options, `root ${switchRoot(options, id)} signs`);
    case 'root remove': return done(options, `removed root ${removeRoot(options, id)}`);
    case 'intermediate': {
      if (values.root === undefined) throw new UsageError('--root FOLDER is missing');
      const made = createIntermediate({
        rootDir: values.root, rootPassphrase: passphraseOf(values['root-passphrase-file']), dir, passphrase,
        trustDomain: values['trust-domain'], clock: systemClock,
      });
      return said(`intermediate ${made} is in ${dir}; ${values.root} can be taken offline`);
    }
    default: throw new UsageError(`"${positionals.join(' ')}" is no step: list, add, switch or remove`);
  }
}

/** The file's first line; the file must be this user's alone, and its text is part of no message. */
export function passphraseOf(path: string | undefined): Passphrase {
  if (path === undefined) return undefined;
  const [line] = (readText(path, true) ?? '').split('\n');
  if (line === undefined || line === '') throw new ConfigError('', 'holds no passphrase', path);
  return line;
}

function list(options: RotationOptions, json: boolean): number {
  const bundle = bundleNumber(openStore(options).roots);
  const roots = listRoots(options);
  if (json) return said(JSON.stringify({ bundle, roots }));
  said(`bundle ${bundle}`);
  for (const { id, subject, notAfterMs, state } of roots) {
    said(`${id}  ${state.padEnd(7)}  until ${new Date(notAfterMs).toISOString()}  ${subject}`);
  }
  return 0;
}

function done(options: RotationOptions, what: string): number {
  const bundle = bundleNumber(openStore(options).roots);
  return said(`${what}; before the next step every sidecar should have agent.bundle ${bundle}`);
}

function said(line: string): number {
  process.stdout.write(`${line}\n`);
  return 0;
}
