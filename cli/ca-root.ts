// `weft ca root` and `weft ca intermediate`: changing the authority's root step by step, and keeping a root offline.
import { parseArgs } from 'node:util';
import { createIntermediate } from '../certs/intermediate.ts';
import type { Passphrase } from '../certs/issuer.ts';
import { readText } from '../certs/private-file.ts';
import { addRoot, listRoots, removeRoot, switchRoot } from '../certs/root-rotation.ts';
import type { RotationOptions } from '../certs/root-rotation.ts';
import { systemClock } from '../proxy/base/clock.ts';
import { ConfigError } from '../proxy/base/error.ts';
import { UsageError } from './usage.ts';

export const ROOT_HELP = `       weft ca root list|add|switch|remove --dir DIR [--id ID] [--from FOLDER]
       weft ca intermediate --root FOLDER --dir DIR

A new root without a failed request, while authority and sidecars run: \`root add\` gives everybody the new root beside
the old one; when agent.trusted_roots is 2 everywhere, \`root switch\` signs by it, and sidecars renew within a minute;
when agent.issued_by_first_root is 1 everywhere, \`root remove\` takes the old root away.

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
  switch (positionals.join(' ')) {
    case 'root list': return list(options, values.json === true);
    case 'root add': return said(`added root ${addRoot(options, from)}: sidecars take it; then: weft ca root switch`);
    case 'root switch': return said(`root ${switchRoot(options, id)} signs; then: weft ca root remove`);
    case 'root remove': return said(`removed root ${removeRoot(options, id)}`);
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
  const roots = listRoots(options);
  if (json) return said(JSON.stringify(roots));
  for (const { id, subject, notAfterMs, state } of roots) {
    said(`${id}  ${state.padEnd(7)}  until ${new Date(notAfterMs).toISOString()}  ${subject}`);
  }
  return 0;
}

function said(line: string): number {
  process.stdout.write(`${line}\n`);
  return 0;
}
