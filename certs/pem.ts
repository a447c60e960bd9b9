// PEM (RFC 7468): the text form of certificates, requests and keys in files and messages.

/** One block with lines of 64 characters and a final newline. */
export function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/**
 * The contents of every block with this label, in order; text between blocks is skipped. Undefined when a block does
 * not end or is not base64.
 */
export function pemBlocks(text: string, label: string): Buffer[] | undefined {
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const blocks: Buffer[] = [];
  for (let at = text.indexOf(begin); at !== -1; at = text.indexOf(begin, at)) {
    const stop = text.indexOf(end, at);
    if (stop === -1) return undefined;
    const body = text.slice(at + begin.length, stop).replace(/[\r\n\t ]/g, '');
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(body) || body.length % 4 !== 0) return undefined;
    blocks.push(Buffer.from(body, 'base64'));
    at = stop + end.length;
  }
  return blocks;
}
