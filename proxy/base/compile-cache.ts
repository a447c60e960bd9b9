// The shared compile cache: without it every process and thread strips types anew, at half a second and 18 MB.
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));

/** In node_modules/.cache; nothing happens where that does not exist or NODE_COMPILE_CACHE names another place. */
export function enableCompileCache(): void {
  if (process.env['NODE_COMPILE_CACHE'] !== undefined || !existsSync(MODULES)) return;
  nodeModule.enableCompileCache({ directory: `${MODULES}/.cache/weft/compile`, portable: true });
}
