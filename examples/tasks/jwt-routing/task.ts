// Routing by claims: a page of the gateway that is there for those alone whose token says so.
import { expectAll } from '../jwt-token/task.ts';
import type { Task } from '../task.ts';

export const jwtRouting: Task = {
  name: 'jwt-routing',
  title: 'a route that asks for a claim of the token',
  needs: ['gateway', 'web'],
  steps: [
    {
      title: 'the headers page is 404 but for testers; a bad token is 401',
      file: 'by-claim.yaml',
      run: (lab) => expectAll(lab, [['/headers', 'none', 404], ['/headers', 'amy', 404], ['/headers', 'bad', 401],
        ['/status/200', 'none', 200], ['/headers', 'tester', 200]]),
    },
  ],
};
