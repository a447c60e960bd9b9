// Kubernetes' admission webhooks: options of `weft control`.
import type { WebhookOptions } from '../control/inject/webhooks.ts';
import { UsageError, addressOption } from './usage.ts';

export const WEBHOOK_HELP = `
      --webhook HOST:PORT  answers Kubernetes' admission webhooks over TLS: /inject puts sidecars into pods, /validate
                           refuses mistakes in Istio's API. With --source kubernetes the roots are written to
                           the webhook configurations and to a ConfigMap in each namespace
      --webhook-name NAME  of the webhook configurations in the cluster (default weft-sidecar-injector)
      --injection-mesh F, --injection-values F   MeshConfig and Helm values of injected pods, as for weft inject
      --injection-image I, --injection-init-image I, --revision NAME   what pods run, and whose they are
`;

export const WEBHOOK_OPTIONS = {
  webhook: { type: 'string' },
  'webhook-name': { type: 'string' },
  'injection-mesh': { type: 'string' },
  'injection-values': { type: 'string' },
  'injection-image': { type: 'string' },
  'injection-init-image': { type: 'string' },
  revision: { type: 'string' },
} as const;

export type WebhookValues = { readonly [K in keyof typeof WEBHOOK_OPTIONS]?: string };

/** undefined: none is asked for. */
export function webhookOption(values: WebhookValues): WebhookOptions | undefined {
  const { webhook } = values;
  if (webhook === undefined) {
    const names = Object.keys(WEBHOOK_OPTIONS) as (keyof WebhookValues)[];
    const lost = names.find((name) => values[name] !== undefined);
    if (lost !== undefined) throw new UsageError(`--${lost} goes with --webhook`);
    return undefined;
  }
  return {
    listen: addressOption('webhook', webhook), name: values['webhook-name'] ?? 'weft-sidecar-injector',
    mesh: values['injection-mesh'], values: values['injection-values'],
    given: {
      image: values['injection-image'], initImage: values['injection-init-image'], revision: values.revision,
    },
  };
}
