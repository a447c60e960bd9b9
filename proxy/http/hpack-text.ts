// Bytes of a header block as text, each a character: the cheapest way for each length, since this is most of the work.

/** Up to here a string is made without leaving the compiled code: 25-35 ns; a call into the runtime costs 65-70. */
export const SHORT_TEXT_MAX = 16;

const text = String.fromCharCode;

interface Latin1 {
  latin1Slice(from: number, to: number): string;
}

/** bytes[from..to) as text of its own, which keeps nothing else alive. */
export function latin1Text(bytes: Buffer, from: number, to: number): string {
  if (to - from > SHORT_TEXT_MAX) return (bytes as Buffer & Latin1).latin1Slice(from, to);
  return to > from ? shortText(bytes, from, to - from) : '';
}

/** The arguments are spelled out: an argument list made from an array costs more than it saves. */
function shortText(b: Buffer, i: number, length: number): string {
  switch (length) {
    case 1: return text(b[i]!);
    case 2: return text(b[i]!, b[i + 1]!);
    case 3: return text(b[i]!, b[i + 1]!, b[i + 2]!);
    case 4: return text(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!);
    case 5: return text(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!);
    case 6: return text(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!);
    case 7: return text(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!);
    case 8: return text(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!, b[i + 7]!);
    case 9: return text(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!, b[i + 7]!, b[i + 8]!);
    case 10:
      return text(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!, b[i + 7]!, b[i + 8]!,
        b[i + 9]!);
    case 11:
      return text(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!, b[i + 7]!, b[i + 8]!,
        b[i + 9]!, b[i + 10]!);
    case 12:
      return text(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!, b[i + 7]!, b[i + 8]!,
        b[i + 9]!, b[i + 10]!, b[i + 11]!);
    case 13:
      return text(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!, b[i + 7]!, b[i + 8]!,
        b[i + 9]!, b[i + 10]!, b[i + 11]!, b[i + 12]!);
    case 14:
      return text(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!, b[i + 7]!, b[i + 8]!,
        b[i + 9]!, b[i + 10]!, b[i + 11]!, b[i + 12]!, b[i + 13]!);
    case 15:
      return text(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!, b[i + 7]!, b[i + 8]!,
        b[i + 9]!, b[i + 10]!, b[i + 11]!, b[i + 12]!, b[i + 13]!, b[i + 14]!);
    default:
      return text(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!, b[i + 7]!, b[i + 8]!,
        b[i + 9]!, b[i + 10]!, b[i + 11]!, b[i + 12]!, b[i + 13]!, b[i + 14]!, b[i + 15]!);
  }
}
