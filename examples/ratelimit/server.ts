// Starts the rate limit service: node examples/ratelimit/server.ts [LIMITS.json] [PORT]
import { readFileSync } from 'node:fs';
import { RateLimitService } from './service.ts';
import type { Limit } from './service.ts';

const [file = new URL('limits.json', import.meta.url), port = '8081'] = process.argv.slice(2);
const limits = JSON.parse(readFileSync(file, 'utf8')) as Limit[];
const bound = await new RateLimitService(limits).listen('127.0.0.1', Number(port));
process.stdout.write(`rate limit service on 127.0.0.1:${bound} with ${limits.length} limits\n`);
