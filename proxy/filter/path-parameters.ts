// Paths as servers read them that know path parameters (RFC 3986 section 3.3): `/a;x=1/..;/b` is `/b` to them.

/** The path with parameters cut from its segments, dot segments resolved after that, and empty segments left out. */
export function withoutParameters(path: string): string {
  const kept: string[] = [];
  let last = '';
  for (const segment of path.split('/')) {
    const semicolon = segment.indexOf(';');
    last = semicolon === -1 ? segment : segment.slice(0, semicolon);
    if (last === '..') kept.pop();
    else if (last !== '' && last !== '.') kept.push(last);
  }
  const isFolder = last === '' || last === '.' || last === '..';
  return `/${kept.join('/')}${isFolder && kept.length > 0 ? '/' : ''}`;
}
