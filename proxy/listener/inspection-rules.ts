// What is looked for in the first bytes of a connection: its listener's inspectors, but for the ports where they are
// off.
import type { Listener as Config } from '../config/listener.ts';
import type { ListenerFilterPredicate } from '../config/listener-filter-predicate.ts';
import { HTTP_INSPECTOR_TYPE, TLS_INSPECTOR_TYPE } from '../config/type-url.ts';
import type { Inspects } from './protocol-detect.ts';

/** By the port that a connection was made to, or wanted to be made to; undefined: nothing is waited for. */
export type InspectsAt = (port: number) => Inspects | undefined;

type PortTest = (port: number) => boolean;

const NEVER: PortTest = () => false;

/** `chainsAsk`: chains match by what a ClientHello says, also where no filter looks into it. */
export function inspectionRules({ listenerFilters = [] }: Config, chainsAsk: boolean): InspectsAt | undefined {
  const of = (type: string): PortTest => {
    const filters = listenerFilters.filter(({ typedConfig }) => typedConfig['@type'] === type);
    const offs = filters.map(({ filterDisabled }) => (filterDisabled === undefined ? NEVER : testOf(filterDisabled)));
    return (port) => offs.some((off) => !off(port));
  };
  const [tls, http] = [of(TLS_INSPECTOR_TYPE), of(HTTP_INSPECTOR_TYPE)];
  const hasTls = listenerFilters.some(({ typedConfig }) => typedConfig['@type'] === TLS_INSPECTOR_TYPE);
  // Where a filter looks, it says where; chains alone ask everywhere.
  const looks = (port: number): Inspects => ({ tls: hasTls ? tls(port) : chainsAsk, http: http(port) });
  if (listenerFilters.every(({ filterDisabled }) => filterDisabled === undefined)) {
    const always = someOf(looks(0));
    return always === undefined ? undefined : () => always;
  }
  return (port) => someOf(looks(port));
}

function someOf(inspects: Inspects): Inspects | undefined {
  return inspects.tls || inspects.http ? inspects : undefined;
}

function testOf({ orMatch, andMatch, notMatch, destinationPortRange: range }: ListenerFilterPredicate): PortTest {
  if (range !== undefined) return (port) => port >= (range.start ?? 0) && port < (range.end ?? 0);
  if (notMatch !== undefined) {
    const test = testOf(notMatch);
    return (port) => !test(port);
  }
  const tests = (orMatch ?? andMatch)?.rules.map(testOf);
  if (tests === undefined) return () => true;
  return (port) => (orMatch === undefined ? tests.every((test) => test(port)) : tests.some((test) => test(port)));
}
