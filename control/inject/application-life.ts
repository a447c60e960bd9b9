// The socket by which an application and its sidecar follow each other's life, in the containers of a pod that asks.
import type { FaultList } from './fault-list.ts';
import type { Container, PodSpec, Values } from './pod.ts';

export const LIFE_ANNOTATION = 'sidecar.weft.dev/lifecycle';
/** Where `weft wait`, `run` and `done` find the socket. */
export const LIFE_VARIABLE = 'WEFT_LIFECYCLE_SOCKET';
export const LIFE_VOLUME = 'weft-life';
const FOLDER = '/var/run/weft';
/** In a folder of the proxy's own: all users of the pod may write into an emptyDir. */
const SOCKET = `${FOLDER}/proxy/life`;

export function lifeVolume(): Values {
  return { name: LIFE_VOLUME, emptyDir: { medium: 'Memory' } };
}

export function sidecarLifeMount(): Values {
  return { name: LIFE_VOLUME, mountPath: FOLDER };
}

/** Of node.metadata.WEFT_LIFECYCLE: applications have users of their own, and nobody outside of the pod sees it. */
export function sidecarLife(): Values {
  return { socket: SOCKET, socket_mode: '0666' };
}

/** An application can connect by a folder that it cannot write to, and so cannot put its own socket there. */
export function withLife(spec: PodSpec, isAuthors: (container: Container) => boolean, faults: FaultList): PodSpec {
  const containers = spec.containers.map((container, i) => {
    if (!isAuthors(container)) return container;
    const { env = [], volumeMounts = [] } = container;
    const taken = volumeMounts.findIndex(({ mountPath }) => isAt(String(mountPath)));
    if (taken !== -1) {
      faults.error(['spec', 'containers', i, 'volumeMounts', taken, 'mountPath'],
        `is where ${LIFE_ANNOTATION} puts the socket of the sidecar; choose another, or leave the annotation out`);
    }
    const isNamed = env.some(({ name }) => name === LIFE_VARIABLE);
    return {
      ...container,
      env: isNamed ? env : [...env, { name: LIFE_VARIABLE, value: SOCKET }],
      volumeMounts: [...volumeMounts, { name: LIFE_VOLUME, mountPath: FOLDER, readOnly: true }],
    };
  });
  return { ...spec, containers };
}

function isAt(mountPath: string): boolean {
  const path = mountPath.replace(/\/+$/, '');
  return path === FOLDER || path.startsWith(`${FOLDER}/`);
}
