// A stateful session's configuration, compiled: of the filter, and of routes in its place.
import type { StatefulSession, StatefulSessionPerRoute } from '../config/stateful-session.ts';
import { COOKIE_SESSION_TYPE } from '../config/type-url.ts';
import { CookieState, HeaderState } from './session-state.ts';
import type { SessionState } from './session-state.ts';

const USUAL_STATUS = 503;

export class SessionRules {
  /** Undefined: no request has a session. */
  readonly state: SessionState | undefined;
  readonly strict: boolean;
  /** The answer to requests whose endpoint is missing, where they are not sent to another. */
  readonly missingStatus: number;

  constructor({ sessionState, strict = false, statusOnStrictDestinationNotFound: status = 0 }: StatefulSession) {
    const config = sessionState?.typedConfig;
    if (config === undefined) this.state = undefined;
    else this.state = config['@type'] === COOKIE_SESSION_TYPE ? new CookieState(config) : new HeaderState(config);
    this.strict = strict;
    this.missingStatus = status === 0 ? USUAL_STATUS : status;
  }
}

/** What a route says. */
export class SessionRouteRules {
  /** Undefined: the filter is off here. */
  readonly rules: SessionRules | undefined;

  constructor({ statefulSession }: StatefulSessionPerRoute) {
    this.rules = statefulSession === undefined ? undefined : new SessionRules(statefulSession);
  }
}
