// The entry of every thread, and of the decoder process, in plain JavaScript: were it TypeScript, it would be stripped
// before there is a cache, and the stripper is 18 MB. Runs the module beside it that `argv` names.
import { existsSync } from 'node:fs';
import * as module from 'node:module';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('../node_modules', import.meta.url));

if (process.env.NODE_COMPILE_CACHE === undefined && existsSync(modules)) {
  module.enableCompileCache({ directory: `${modules}/.cache/weft/compile`, portable: true });
}
await import(process.argv.at(-1));
