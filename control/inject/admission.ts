// What the API server asks before it takes an object: a pod gets its sidecar, a mistake in Istio's API its reason.
import { decodeObjects } from '../model/decode-object.ts';
import { findingText, type Finding } from '../model/mesh-object.ts';
import { faultText } from './fault-list.ts';
import { injectPod } from './inject-pod.ts';
import type { InjectionSettings } from './injection-settings.ts';
import { jsonPatch } from './json-patch.ts';
import { isRecord } from './pod.ts';

/** admission.k8s.io/v1 AdmissionReview, as it is answered. */
export interface AdmissionAnswer {
  readonly apiVersion: 'admission.k8s.io/v1';
  readonly kind: 'AdmissionReview';
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly status?: { readonly code: number; readonly message: string };
    readonly patchType?: 'JSONPatch';
    /** base64 */
    readonly patch?: string;
    readonly warnings?: readonly string[];
  };
}

export interface AdmissionRequest {
  readonly uid: string;
  readonly operation: string;
  readonly namespace: string;
  readonly dryRun: boolean;
  readonly kind: string;
  readonly object: unknown;
}

const UID_MAX = 256;
/** The API server shortens and drops what is more. */
const WARNINGS_MAX = 10;
const MESSAGE_MAX = 4000;

/** A text says why it is no question. */
export function readReview(body: string): AdmissionRequest | string {
  let review: unknown;
  try {
    review = JSON.parse(body);
  } catch {
    return 'the body is not JSON';
  }
  if (!isRecord(review) || review['kind'] !== 'AdmissionReview') return 'the body is no AdmissionReview';
  if (review['apiVersion'] !== 'admission.k8s.io/v1') return 'only admission.k8s.io/v1 is spoken here';
  const { request } = review;
  if (!isRecord(request)) return 'the AdmissionReview has no request';
  const { uid, operation, namespace = '', dryRun, kind, object } = request;
  if (typeof uid !== 'string' || uid === '' || uid.length > UID_MAX) return 'the request has no uid';
  if (!isRecord(kind) || typeof kind['kind'] !== 'string') return 'the request has no kind';
  return {
    uid, operation: String(operation), namespace: typeof namespace === 'string' ? namespace : '',
      dryRun: dryRun === true,
    kind: kind['kind'], object,
  };
}

/** Nothing is kept and nothing is changed elsewhere: a dry run is answered alike. */
export function admitPod({ uid, kind, namespace, object }: AdmissionRequest,
  settings: InjectionSettings): AdmissionAnswer {
  if (kind !== 'Pod') return answer(uid, true);
  const result = injectPod(object, { namespace }, settings);
  if (result.kind === 'left') return answer(uid, true);
  if (result.kind === 'refused') {
    const reasons = result.errors.map(faultText).join('; ');
    return answer(uid, false, { message: `no sidecar can be injected: ${reasons}` });
  }
  const patch = Buffer.from(JSON.stringify(jsonPatch(object, result.pod))).toString('base64');
  return answer(uid, true, { patch, warnings: result.warnings.map(faultText) });
}

/** As `weft analyze` says it of files, without the file. */
export function validateObject({ uid, operation, kind, object }: AdmissionRequest): AdmissionAnswer {
  if (operation === 'DELETE' || object === undefined || object === null) return answer(uid, true);
  const { errors, warnings } = decodeObjects([{ value: object, locate: () => undefined }], kind);
  // There is no file to be named.
  const text = (finding: Finding): string => findingText({ ...finding, where: '' }).replace(/^: /, '');
  if (errors.length > 0) return answer(uid, false, { message: errors.map(text).join('; ') });
  return answer(uid, true, { warnings: warnings.map(text) });
}

interface Details {
  readonly message?: string;
  readonly patch?: string;
  readonly warnings?: readonly string[];
}

function answer(uid: string, allowed: boolean, { message, patch, warnings = [] }: Details = {}): AdmissionAnswer {
  return {
    apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview',
    response: {
      uid, allowed,
      ...(message !== undefined && { status: { code: 400, message: message.slice(0, MESSAGE_MAX) } }),
      ...(patch !== undefined && { patchType: 'JSONPatch', patch }),
      ...(warnings.length > 0 && { warnings: warnings.slice(0, WARNINGS_MAX) }),
    },
  };
}
