// What HAProxy, nginx and nghttpx are told for each shape of traffic, or why they have no part in it.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Place, Shape } from './bootstrap.ts';
import { withPorts } from './bootstrap.ts';

/** Arguments of the program, or why it is left out. */
export type Arguments = readonly string[] | string;

/** Reads a file of configs/, puts in the folder and what `change` does, writes it, and gives its path. */
export async function fillIn(
  config: string, name: string, folder: string, change: (text: string) => string,
): Promise<string> {
  const text = await readFile(fileURLToPath(new URL(`configs/${config}`, import.meta.url)), 'utf8');
  const file = join(folder, `${name}-${config}`);
  await writeFile(file, change(text).replaceAll('@FOLDER@', folder));
  return file;
}

/** What is put in for `@NAME@`. */
type Options = Readonly<Record<string, string>>;

function put(text: string, place: Place, options: Options): string {
  return withPorts(text, place).replaceAll(/@([A-Z]+)@/g, (whole, name: string) => options[name] ?? whole);
}

/** Rows of memory compare sidecars. */
const NO_SIDECAR = 'has no configuration for this row';
const HAPROXY_TLS = 'ssl crt @FOLDER@/proxy.pem ca-file @FOLDER@/root.pem verify required ssl-min-ver TLSv1.3';
const HAPROXY_H2: Options = { BIND: ' proto h2', SERVER: ' proto h2' };
const HAPROXY: Readonly<Record<Exclude<Shape, 'tcp' | 'tcp-mtls'>, Options>> = {
  h1: { BIND: '', SERVER: '' },
  h2: HAPROXY_H2,
  grpc: HAPROXY_H2,
  mtls: { BIND: ` ${HAPROXY_TLS} alpn http/1.1`, SERVER: '' },
  'mtls-up': { BIND: '', SERVER: ` ${HAPROXY_TLS} sni str(reviews)` },
  'mtls-both': { BIND: ` ${HAPROXY_TLS} alpn http/1.1`, SERVER: ` ${HAPROXY_TLS} sni str(reviews)` },
};

export async function haproxyArguments(shape: Shape, place: Place): Promise<Arguments> {
  if (shape === 'tcp-mtls') return NO_SIDECAR;
  const file = shape === 'tcp'
    ? await fillIn('haproxy-tcp.cfg', 'haproxy', place.folder, (text) => withPorts(text, place))
    : await fillIn('haproxy.cfg', 'haproxy', place.folder, (text) => put(text, place, HAPROXY[shape]));
  return ['-db', '-f', file];
}

const NGINX_PASS = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_max_temp_file_size 0;';
const NGINX_TLS_IN = 'ssl_certificate @FOLDER@/proxy.crt; ssl_certificate_key @FOLDER@/proxy.key; '
  + 'ssl_protocols TLSv1.3; ssl_client_certificate @FOLDER@/root.pem; ssl_verify_client on; '
  + 'ssl_session_cache shared:tls:10m;';
const NGINX_TLS_OUT = 'proxy_ssl_certificate @FOLDER@/proxy.crt; proxy_ssl_certificate_key @FOLDER@/proxy.key; '
  + 'proxy_ssl_trusted_certificate @FOLDER@/root.pem; proxy_ssl_verify on; proxy_ssl_name reviews; '
  + 'proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.3;';
const NGINX: Readonly<Record<Exclude<Shape, 'tcp' | 'tcp-mtls' | 'h2'>, Options>> = {
  h1: { LISTEN: '', SERVER: '', PASS: `proxy_pass http://$reviews; ${NGINX_PASS}` },
  grpc: { LISTEN: ' http2', SERVER: '', PASS: 'grpc_pass grpc://$reviews;' },
  mtls: { LISTEN: ' ssl', SERVER: NGINX_TLS_IN, PASS: `proxy_pass http://$reviews; ${NGINX_PASS}` },
  'mtls-up': {
    LISTEN: '', SERVER: '', PASS: `proxy_pass https://$reviews; ${NGINX_PASS} ${NGINX_TLS_OUT}`,
  },
  'mtls-both': {
    LISTEN: ' ssl', SERVER: NGINX_TLS_IN, PASS: `proxy_pass https://$reviews; ${NGINX_PASS} ${NGINX_TLS_OUT}`,
  },
};

export async function nginxArguments(shape: Shape, place: Place): Promise<Arguments> {
  if (shape === 'tcp-mtls') return NO_SIDECAR;
  if (shape === 'h2') return 'speaks HTTP/2 to an upstream for gRPC only';
  const file = shape === 'tcp'
    ? await fillIn('nginx-tcp.conf', 'nginx', place.folder, (text) => withPorts(text, place))
    : await fillIn('nginx.conf', 'nginx', place.folder, (text) => put(text, place, NGINX[shape]));
  return ['-c', file, '-g', 'daemon off;'];
}

/** One worker thread, no log, as the others that have no sidecar's configuration. */
export function nghttpxArguments(shape: Shape, { listener, upstream }: Place): Arguments {
  if (shape !== 'h2' && shape !== 'grpc') return 'takes part with HTTP/2 only';
  return [
    '--conf=/dev/null', '--errorlog-file=/dev/null', '--workers=1', '--single-process', '--no-ocsp',
    `--frontend=127.0.0.1,${listener};no-tls`, `--backend=127.0.0.1,${upstream};;no-tls;proto=h2`,
  ];
}
