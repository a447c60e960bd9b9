// An object of the Kubernetes API before anything is known of it.

/** As the API server sends it, or the parts of it that are kept. */
export type KubeDocument = Record<string, unknown>;
