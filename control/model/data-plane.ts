// Which of Envoy's fields the data plane takes: what an object asks for beyond them is refused where it is written.
import type { MessageSchema } from '../../proxy/config/schema.ts';

/** `field` in Envoy's spelling. */
export function honours(schema: MessageSchema, field: string): boolean {
  return schema['~node'].spellings.get(field)?.kind === 'field';
}
