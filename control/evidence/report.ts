// The evidence as a page for people and as JSON for machines.
import { accessControls } from './access-controls.ts';
import { auditControls } from './audit-controls.ts';
import { identityControls } from './identity-controls.ts';
import type { Observation } from './observe.ts';
import type { Control, Figure, Statement, Verdict } from './statement.ts';

export interface Evidence {
  /** RFC 3339. */
  readonly observedAt: string;
  readonly controlPlane: string;
  readonly framework: string;
  readonly proxies: { readonly known: number; readonly asked: number; readonly silent: readonly string[] };
  readonly controls: readonly Control[];
  readonly fails: number;
  readonly unknown: number;
}

export function evidenceOf(observation: Observation): Evidence {
  const { nowMs, controlUrl, proxies, silent } = observation;
  const controls = [...accessControls(observation), ...auditControls(observation), ...identityControls(observation)]
    .sort((one, other) => (rank(one) < rank(other) ? -1 : 1));
  const count = (verdict: Verdict): number =>
    controls.flatMap(({ statements }) => statements).filter((one) => one.verdict === verdict).length;
  return {
    observedAt: new Date(nowMs).toISOString(),
    controlPlane: controlUrl,
    framework: 'NIST SP 800-53 Rev. 5',
    proxies: { known: proxies.length + silent.length, asked: proxies.length, silent: silent.map(({ id }) => id) },
    controls, fails: count('fails'), unknown: count('unknown'),
  };
}

/** `AC-3` before `AC-10`. */
function rank({ id }: Control): string {
  const [family = '', number = ''] = id.split('-');
  return family + number.padStart(3, '0');
}

const WORDS: Readonly<Record<Verdict, string>> = { holds: 'holds', fails: '**does not hold**', unknown: '*not known*' };
/** Figures of one statement on the page; JSON has all. */
const FIGURES_MAX = 6;

export function markdown({ observedAt, controlPlane, framework, proxies, controls, fails, unknown }: Evidence): string {
  const silent = proxies.silent.length === 0 ? '' : ` Not reached: ${proxies.silent.map(plain).join(', ')}.`;
  return [
    `# Evidence for ${framework}`,
    `Observed ${observedAt} at ${controlPlane} and at ${proxies.asked} of ${proxies.known} proxies.${silent} Statements`
      + ` that do not hold: ${fails}; not known: ${unknown}. Figures count since each process started. What follows was`
      + ' observed, and is no assessment.',
    ...controls.map(section),
  ].join('\n\n').concat('\n');
}

function section({ id, title, statements }: Control): string {
  return [`## ${id} ${title}`, ...statements.map(item)].join('\n');
}

function item({ verdict, text, figures }: Statement): string {
  const shown = figures.slice(0, FIGURES_MAX).map(figureText);
  const more = figures.length > FIGURES_MAX ? [`  - and ${figures.length - FIGURES_MAX} more`] : [];
  return [`- ${WORDS[verdict]}: ${plain(text)}`, ...shown, ...more].join('\n');
}

function figureText({ name, value, source }: Figure): string {
  return `  - ${plain(name)}: ${plain(String(value))} (${plain(source)})`;
}

/** Names of others stand in it: no markup, no lines, no controls. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd').replace(/[\\`*_[\]<>|#]/g, '\\$&');
}
