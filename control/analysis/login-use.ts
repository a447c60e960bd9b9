// OidcLogins that let nobody in, or that others hide: what a user would find out at the gateway.
import { findingAt, titleOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { secretTexts } from '../translate/gateway-secret.ts';
import type { MeshView } from '../translate/mesh-view.ts';

/** As the proxy wants it of a client secret that seals cookies as well. */
const CLIENT_SECRET_LENGTH_MIN = 16;
const COOKIE_SECRET_LENGTH_MIN = 32;

export function loginFindings(view: MeshView): Finding[] {
  const logins = view.inventory.list('OidcLogin');
  return logins.flatMap((login, at) => [...badCredential(view, login), ...hidden(login, logins.slice(0, at))]);
}

/** In which namespace the gateways are is not known here: a Secret of the name anywhere will do. */
function badCredential(view: MeshView, login: MeshObject<'OidcLogin'>): Finding[] {
  const { credentialName: name } = login.body.spec;
  const path = ['spec', 'credentialName'];
  const error = (reason: string): Finding[] => [{ ...findingAt(login, path, reason), level: 'error' }];
  const texts = view.inventory.list('Secret').filter((secret) => secret.name === name)
    .map(({ namespace }) => secretTexts(view, namespace, name))
    .find((each) => each['client-secret'] !== undefined);
  if (texts === undefined) return error(`no Secret '${name}' has client-secret: nobody can log in`);
  const { 'client-secret': client = '', 'cookie-secret': cookie } = texts;
  if (cookie === undefined) {
    if (client.trim().length >= CLIENT_SECRET_LENGTH_MIN) return [];
    return error(`client-secret of Secret '${name}' has less than ${CLIENT_SECRET_LENGTH_MIN} characters, and cookies `
      + 'are sealed with it: add a cookie-secret');
  }
  const lines = cookie.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  if (lines.length > 0 && lines.every((line) => line.length >= COOKIE_SECRET_LENGTH_MIN)) return [];
  return error(`each line of cookie-secret in Secret '${name}' needs ${COOKIE_SECRET_LENGTH_MIN} characters`);
}

/** A gateway has one login, the first that selects it. */
function hidden(login: MeshObject<'OidcLogin'>, before: readonly MeshObject<'OidcLogin'>[]): Finding[] {
  const labels = Object.entries(login.body.spec.selector?.matchLabels ?? {});
  const other = before.find((each) => each.namespace === login.namespace
    && Object.entries(each.body.spec.selector?.matchLabels ?? {}).every(([key, value]) =>
      labels.some(([own, text]) => own === key && text === value)));
  return other === undefined ? [] : [findingAt(login, [], `has no effect: ${titleOf(other)} comes first`)];
}
