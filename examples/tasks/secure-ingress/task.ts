// Secure ingress: the gateway shows a certificate, then asks for one as well, and tells the service who came.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { check } from '../../demo/tour-context.ts';
import type { Lab, Task } from '../task.ts';
import { reached } from '../task.ts';

const HOST = 'shop.example.com';
const CLIENT_ID = 'URI=spiffe://example.com/ns/world/sa/client';

/** What a client trusts, and shows. */
interface Credentials {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Status and body of an answer over TLS, or why there is none. */
async function over(lab: Lab, credentials: Credentials): Promise<string> {
  const dispatcher = new Agent({ connect: { ...credentials, servername: HOST } });
  const url = `https://127.0.0.1:${lab.mesh.gatewayTlsPort}/headers`;
  try {
    const { statusCode, body } = await request(url, { dispatcher, headers: { host: HOST } });
    return `${statusCode} ${await body.text()}`;
  } catch (cause) {
    return cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  } finally {
    await dispatcher.destroy();
  }
}

async function credentials({ mesh }: Lab): Promise<Required<Credentials>> {
  const [ca = '', cert = '', key = ''] = await Promise.all(
    ['root.crt', 'client.crt', 'client.key'].map((name) => readFile(join(mesh.tlsDir, name), 'utf8')));
  return { ca, cert, key };
}

export const secureIngress: Task = {
  name: 'secure-ingress',
  title: 'into the mesh over TLS, then over mutual TLS',
  needs: ['gateway', 'web'],
  steps: [
    {
      title: 'the gateway shows a certificate for its host; plain HTTP is sent there',
      file: 'tls.yaml',
      run: async (lab) => {
        const { ca } = await credentials(lab);
        await reached(lab, 'an answer over TLS', async () => (await over(lab, { ca })).startsWith('200 '));
        const distrusted = await over(lab, {});
        check(!distrusted.startsWith('200'), 'a client that does not know the root should not get as far as an answer');
        const { status, headers } = await lab.client.gateway('/headers', { host: HOST });
        const location = String(headers['location']);
        check(status === 301 && location === `https://${HOST}/headers`, `plain HTTP got ${status} ${location}`);
        return `200 for a client that trusts its root, ${distrusted} for one that does not; `
          + `plain HTTP got ${status} to ${location}`;
      },
    },
    {
      title: 'a client has to show a certificate too, and the service is told which',
      file: 'mutual-tls.yaml',
      run: async (lab) => {
        const { ca, cert, key } = await credentials(lab);
        await reached(lab, 'clients without a certificate to be refused', async () =>
          !(await over(lab, { ca })).startsWith('200 '));
        const without = await over(lab, { ca });
        const answer = await over(lab, { ca, cert, key });
        check(!without.startsWith('200 '), 'a client without a certificate should be refused');
        check(answer.startsWith('200 ') && answer.includes(CLIENT_ID), `with one it should pass, but got: ${answer}`);
        return `${without} without a certificate; 200 with one, and x-forwarded-client-cert says "${CLIENT_ID}"`;
      },
    },
  ],
};
