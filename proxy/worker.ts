// A worker thread's entry: the compile cache comes first, because what is imported before it is compiled anew.
import { enableCompileCache } from './base/compile-cache.ts';

enableCompileCache();
await import('./worker-main.ts');
