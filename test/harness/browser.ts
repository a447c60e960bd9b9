// A browser without a screen: keeps cookies, follows redirects one by one, and sends forms (undici).
import { Agent, request } from 'undici';

export interface Page {
  readonly url: string;
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

export interface Ask {
  readonly method?: string;
  readonly form?: Record<string, string>;
  readonly headers?: Record<string, string>;
}

export class Browser implements AsyncDisposable {
  readonly #agent = new Agent({ connect: { rejectUnauthorized: false } });
  /** By origin, then by name. */
  readonly cookies = new Map<string, Map<string, string>>();
  /** Set-Cookie fields as they came. */
  readonly fields: string[] = [];

  /** One request; a redirect is not followed. */
  async ask(url: string, { method, form, headers }: Ask = {}): Promise<Page> {
    const { origin } = new URL(url);
    const cookie = [...this.#of(origin)].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await request(url, {
      dispatcher: this.#agent, method: (method ?? (form === undefined ? 'GET' : 'POST')) as 'GET',
      headers: {
        accept: 'text/html', ...(cookie !== '' && { cookie }),
        ...(form !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }), ...headers,
      },
      ...(form !== undefined && { body: new URLSearchParams(form).toString() }),
    });
    this.#keep(origin, [answer.headers['set-cookie'] ?? []].flat());
    return { url, status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
  }

  /** As ask(), and on to the first page that is no redirect. */
  async open(url: string, options: Ask = {}): Promise<Page> {
    let page = await this.ask(url, options);
    for (let hops = 0; page.status >= 300 && page.status < 400 && hops < 20; hops++) page = await this.ask(next(page));
    return page;
  }

  /** Logs in at the provider's own form, and goes where that leads. */
  async logIn(form: Page, login: string): Promise<Page> {
    return this.open(actionOf(form), { form: { prompt: 'login', login, password: 'any' } });
  }

  /** The form alone. */
  logInStep(form: Page, login: string): Promise<Page> {
    return this.ask(actionOf(form), { form: { prompt: 'login', login, password: 'any' } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.close();
  }

  #of(origin: string): Map<string, string> {
    let cookies = this.cookies.get(origin);
    if (cookies === undefined) this.cookies.set(origin, cookies = new Map());
    return cookies;
  }

  #keep(origin: string, fields: readonly string[]): void {
    for (const field of fields) {
      this.fields.push(field);
      const [pair = ''] = field.split(';');
      const at = pair.indexOf('=');
      const gone = /max-age=0(;|$)/i.test(field) || /expires=Thu, 01 Jan 1970/i.test(field);
      if (gone) this.#of(origin).delete(pair.slice(0, at));
      else this.#of(origin).set(pair.slice(0, at), pair.slice(at + 1));
    }
  }
}

/** Where a redirect leads. */
export function next({ url, headers }: Page): string {
  return new URL(String(headers['location']), url).href;
}

/** Where the form of a page is sent. */
export function actionOf({ url, body }: Page): string {
  const action = /<form[^>]*action="([^"]+)"/.exec(body)?.[1];
  if (action === undefined) throw new Error(`no form at ${url}:\n${body.slice(0, 2000)}`);
  return new URL(action.replaceAll('&amp;', '&'), url).href;
}
