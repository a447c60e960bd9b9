// Which of Envoy's fields the data plane takes: what an object asks for beyond them is refused where it is written.
import type { MessageSchema, Node, Spelling } from '../../proxy/config/schema.ts';

/** `path` goes from message to message, in Envoy's spelling. */
export function honours(schema: MessageSchema, ...path: readonly string[]): boolean {
  let node: Node = schema['~node'];
  for (const name of path) {
    const spelling: Spelling | undefined = node.kind === 'message' ? node.spellings.get(name) : undefined;
    if (spelling?.kind !== 'field') return false;
    node = spelling.field.schema['~node'];
  }
  return true;
}
