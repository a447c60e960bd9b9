// The Gateway API: a Gateway and an HTTPRoute in place of Istio's, at the same proxy.
import { expectAll, HOST } from '../ingress/task.ts';
import { reached, type Task } from '../task.ts';

export const gatewayApi: Task = {
  name: 'gateway-api',
  title: 'into the mesh by a Gateway and a route of the Gateway API',
  needs: ['gateway', 'web'],
  findings: ['routes.yaml:27: HTTPRoute default/shop spec.rules: BackendNotFound: no Service default/nobody'],
  steps: [
    {
      title: 'paths lead to web, by whole parts, rewritten, elsewhere, or nowhere',
      file: 'routes.yaml',
      run: async (lab) => {
        await reached(lab, 'the way in', async () => (await lab.client.gateway('/status/200', HOST)).status === 200);
        return expectAll(lab, [
          ['/status/200', HOST, 200], ['/statuses', HOST, 404], ['/teapot', HOST, 418], ['/old', HOST, 301],
          ['/absent', HOST, 500], ['/status/200', { host: 'other.example.com' }, 404],
        ]);
      },
    },
  ],
};
