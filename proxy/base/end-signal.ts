// How a program of the mesh is told to end.

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** SIGUSR1 would open a debugger to whoever reaches the port, with all keys in it (threats.md S104). */
function ignoreInspector(): void {
  if (process.listenerCount('SIGUSR1') === 0) process.on('SIGUSR1', () => undefined);
}

/** The first of the signals that comes. After it the next one ends the process at once, unless this is called again. */
export function endSignal(): Promise<string> {
  ignoreInspector();
  return new Promise((resolve) => {
    const onSignal = (signal: string): void => {
      for (const name of SIGNALS) process.removeListener(name, onSignal);
      resolve(signal);
    };
    for (const name of SIGNALS) process.on(name, onSignal);
  });
}
