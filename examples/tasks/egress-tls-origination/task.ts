// TLS origination: applications ask over plain HTTP, and their sidecars make it TLS, and mutual TLS, on the way out.
import { check } from '../../demo/tour-context.ts';
import type { Lab, Task } from '../task.ts';
import { OUTSIDE, outside, reached } from '../task.ts';

async function expectAnswer(lab: Lab, wanted: string): Promise<string> {
  await reached(lab, `"${wanted}"`, async () => (await outside(lab)).includes(wanted));
  const seen = await outside(lab);
  check(seen.startsWith('200 ') && seen.includes(wanted), `the server should say "${wanted}", but there came: ${seen}`);
  return seen;
}

export const egressTlsOrigination: Task = {
  name: 'egress-tls-origination',
  title: 'out of the mesh: over plain HTTP, then over TLS and mutual TLS that sidecars make',
  needs: ['client', 'outside'],
  steps: [
    {
      title: 'what is known outside is reached as it is asked for',
      file: 'plain.yaml',
      run: (lab) => expectAnswer(lab, `${OUTSIDE} over plain HTTP, by nobody`),
    },
    {
      title: 'the application asks as before, and the sidecar makes it TLS',
      file: 'simple.yaml',
      run: (lab) => expectAnswer(lab, `${OUTSIDE} over TLS for ${OUTSIDE}, by nobody`),
    },
    {
      title: 'the server is shown a certificate',
      file: 'mutual.yaml',
      run: (lab) => expectAnswer(lab, `${OUTSIDE} over TLS for ${OUTSIDE}, by client.example.com`),
    },
  ],
};
