// Egress gateway: one way out of the mesh, which knows who goes where, and shows its own certificate there.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { check } from '../../demo/tour-context.ts';
import type { Lab, Task } from '../task.ts';
import { OUTSIDE, outside, reached, still } from '../task.ts';

/** Answers that the gateway has had from the server. */
function gatewayCount(lab: Lab): Promise<number> {
  return lab.client.stat(`cluster.outbound|80||${OUTSIDE}.upstream_rq_200`, 'egressgateway');
}

/** What the server says over TLS of the application's own, through the sidecar by CONNECT, or that there is nothing. */
async function ownTls({ mesh, client }: Lab): Promise<string> {
  const ca = await readFile(join(mesh.tlsDir, 'root.crt'), 'utf8');
  const socket = await client.tunnel(`${OUTSIDE}:443`).catch(() => undefined);
  if (socket === undefined) return 'nothing';
  const secured = connect({ socket, servername: OUTSIDE, ca });
  return new Promise((resolve) => {
    let text = '';
    secured.on('data', (chunk: Buffer) => { text += chunk.toString('utf8'); });
    secured.on('error', () => undefined);
    secured.on('close', () => resolve(text.split('\n').find((line) => line.includes(' over ')) ?? 'nothing'));
    secured.write(`GET / HTTP/1.1\r\nhost: ${OUTSIDE}\r\nconnection: close\r\n\r\n`);
  });
}

export const egressGateway: Task = {
  name: 'egress-gateway',
  title: 'out of the mesh by one gateway, which knows who goes where',
  needs: ['client', 'web', 'egress', 'outside'],
  steps: [
    {
      title: 'nobody leads to hosts that the mesh does not know',
      file: 'registry-only.yaml',
      run: async (lab) => {
        await reached(lab, '502', async () => (await outside(lab)).startsWith('502'));
        return `502 for ${OUTSIDE}`;
      },
    },
    {
      title: 'a known one is reached through the gateway',
      file: 'through-gateway.yaml',
      run: async (lab) => {
        await reached(lab, 'an answer', async () => (await outside(lab)).startsWith('200 '));
        const before = await still(lab, 'the count of the gateway', () => gatewayCount(lab));
        const seen = await outside(lab);
        await reached(lab, 'the gateway counts the request', async () => (await gatewayCount(lab)) === before + 1);
        return `${seen}, and the gateway counted it`;
      },
    },
    {
      title: 'the gateway lets out the client, and not web',
      file: 'by-identity.yaml',
      run: async (lab) => {
        await reached(lab, '403 for web', async () => (await outside(lab, 'web-v1')).startsWith('403'));
        const [client, web] = [await outside(lab), await outside(lab, 'web-v1')];
        check(client.startsWith('200 '), `the client should pass, but got: ${client}`);
        return `client: ${client}; web: ${web}`;
      },
    },
    {
      title: 'the gateway goes on over mutual TLS with a certificate of its own',
      file: 'tls-origination.yaml',
      run: async (lab) => {
        const wanted = `over TLS for ${OUTSIDE}, by client.example.com`;
        await reached(lab, `"${wanted}"`, async () => (await outside(lab)).includes(wanted));
        const web = await outside(lab, 'web-v1');
        check(web.startsWith('403'), `web should be refused as before, but got: ${web}`);
        return await outside(lab);
      },
    },
    {
      title: "the application's own TLS passes by its name",
      file: 'passthrough.yaml',
      run: async (lab) => {
        const wanted = `${OUTSIDE} over TLS for ${OUTSIDE}, by nobody`;
        await reached(lab, `"${wanted}"`, async () => (await ownTls(lab)).includes(wanted));
        const stat = `cluster.outbound|443||${OUTSIDE}.upstream_cx_total`;
        const count = await lab.client.stat(stat, 'egressgateway');
        check(count > 0, 'the gateway should have made the connection');
        return `${await ownTls(lab)}, and the gateway made the connection`;
      },
    },
  ],
};
