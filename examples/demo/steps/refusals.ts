// Step (h): a sidecar's inbound port takes nobody but mesh clients whom the policy names.
import { generateKeyPairSync } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { CertificateAuthority } from '../../../certs/ca.ts';
import { createCsr } from '../../../certs/csr.ts';
import { openStore } from '../../../certs/store.ts';
import { systemClock } from '../../../proxy/base/clock.ts';
import type { Step } from '../tour-context.ts';
import { check } from '../tour-context.ts';
import { NAMESPACE, TRUST_DOMAIN } from '../workloads.ts';

const REQUEST = 'GET /ratings/0 HTTP/1.1\r\nhost: ratings:9080\r\nconnection: close\r\n\r\n';

/** What a client may show: its chain, its key, and what it trusts. */
interface Credentials {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export const strangers: Step = {
  title: '(h) an inbound port refuses plaintext, strangers, and identities that the policy does not name',
  run: async (tour) => {
    const { ip, inboundPort } = tour.demo.workload('ratings-v1').pod;
    const plaintext = await overPlaintext(ip, inboundPort);
    check(plaintext === '', `a plaintext request should get no answer, but got: ${plaintext.slice(0, 80)}`);
    const ours = join(tour.demo.folder, 'ca');
    const stranger = await overTls(
      ip, inboundPort, credentials(join(tour.demo.folder, 'other-ca'), 'bookinfo-reviews', ours),
    );
    check(
      !stranger.startsWith('HTTP/'),
      `a certificate of another root should be refused, but got: ${stranger.slice(0, 80)}`,
    );
    const details = await overTls(ip, inboundPort, credentials(ours, 'bookinfo-details', ours));
    check(details.startsWith('HTTP/1.1 403') && details.includes('RBAC: access denied'),
      `details is not named by the policy of ratings and should get 403, but got: ${details.slice(0, 120)}`);
    const reviews = await overTls(ip, inboundPort, credentials(ours, 'bookinfo-reviews', ours));
    check(
      reviews.startsWith('HTTP/1.1 200'),
      `reviews is named by the policy and should pass, but got: ${reviews.slice(0, 120)}`,
    );
    return `plaintext: closed without an answer; another root: ${stranger === '' ? 'closed' : stranger}; `
      + `identity details: 403 "RBAC: access denied"; identity reviews: 200`;
  },
};

/** A leaf for a service account, signed by the authority in `caDir`. */
function credentials(caDir: string, serviceAccount: string, trustedDir: string): Credentials {
  const store = openStore({ dir: caDir, trustDomain: TRUST_DOMAIN });
  const authority = new CertificateAuthority({ store, clock: systemClock, audit: () => undefined });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const path = `/ns/${NAMESPACE}/sa/${serviceAccount}`;
  const identity = { trustDomain: TRUST_DOMAIN, path, namespace: NAMESPACE, serviceAccount };
  const result = authority.issue({ csr: createCsr(privateKey, identity), identity, caller: 'the guided tour' });
  if ('fault' in result) throw new Error(result.fault);
  const roots = openStore({ dir: trustedDir, trustDomain: TRUST_DOMAIN }).roots.map((root) => root.toString()).join('');
  return {
    cert: result.issued.chain.join(''), key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), ca: roots,
  };
}

/** All that came back before the connection ended. */
function overPlaintext(host: string, port: number): Promise<string> {
  const socket = connectTcp({ host, port });
  socket.write(REQUEST);
  return collect(socket);
}

function overTls(host: string, port: number, { cert, key, ca }: Credentials): Promise<string> {
  const socket = connectTls({
    host, port, cert, key, ca, ALPNProtocols: ['istio', 'http/1.1'],
    // The server is a SPIFFE identity, not a host name; its chain is still verified.
    checkServerIdentity: () => undefined,
  });
  socket.write(REQUEST);
  return collect(socket);
}

function collect(socket: ReturnType<typeof connectTcp>): Promise<string> {
  let text = '';
  let failure = '';
  socket.setTimeout(10_000, () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', (error) => {
    failure = error.message;
  });
  return new Promise((resolve) => socket.on('close', () => resolve(text === '' ? failure : text)));
}
