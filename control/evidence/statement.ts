// What evidence is made of: statements, each with the figures it rests on and where they were read.

/** `unknown` is said where nothing was observed, or nobody answered. */
export type Verdict = 'holds' | 'fails' | 'unknown';

export interface Figure {
  readonly name: string;
  readonly value: number | string;
  /** An URL with the name of the statistic or field, or a file. */
  readonly source: string;
}

export interface Statement {
  readonly verdict: Verdict;
  readonly text: string;
  readonly figures: readonly Figure[];
}

/** Of NIST SP 800-53, revision 5. */
export interface Control {
  readonly id: string;
  readonly title: string;
  readonly statements: readonly Statement[];
}

export function statement(verdict: Verdict, text: string, figures: readonly Figure[] = []): Statement {
  return { verdict, text, figures };
}

/** Fails where `bad` has something, is unknown where nothing was asked. */
export function verdictOf(asked: number, bad: number): Verdict {
  if (asked === 0) return 'unknown';
  return bad === 0 ? 'holds' : 'fails';
}
