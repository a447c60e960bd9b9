// How a program of the mesh is told to end.

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** The first of the signals that comes. After it the next one ends the process at once, unless this is called again. */
export function endSignal(): Promise<string> {
  return new Promise((resolve) => {
    const onSignal = (signal: string): void => {
      for (const name of SIGNALS) process.removeListener(name, onSignal);
      resolve(signal);
    };
    for (const name of SIGNALS) process.on(name, onSignal);
  });
}
