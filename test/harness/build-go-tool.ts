// A program, not a module: builds one of the peers in Go that no run builds by itself. `node build-go-tool.ts istiod`.
import { findGoTool } from './go-tools.ts';
import type { GoTool } from './go-tools.ts';

process.stdout.write(`${findGoTool(process.argv[2] as GoTool, true)}\n`);
