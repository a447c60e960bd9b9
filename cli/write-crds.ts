// `npm run build:crds`: weft's own CustomResourceDefinitions, from the declarations by which their objects are read.
import { writeFileSync } from 'node:fs';
import { crdManifest } from '../control/install/crd.ts';

writeFileSync(new URL('../control/install/base/crds.yaml', import.meta.url), crdManifest());
