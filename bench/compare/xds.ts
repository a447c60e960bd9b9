// A row's configuration given by our control plane's server: the same listeners and clusters, over xDS to any proxy.
import { readFile, writeFile } from 'node:fs/promises';
import { Bootstrap } from '../../proxy/config/bootstrap.ts';
import { decode } from '../../proxy/config/decode.ts';
import { XdsControl, xdsBootstrap } from '../../test/harness/xds-mesh.ts';

/** Serves what the bootstrap in `file` has, and puts one in its place that asks for it. */
export async function serveByXds(file: string): Promise<XdsControl> {
  const text = await readFile(file, 'utf8');
  const { value, errors } = decode(Bootstrap, JSON.parse(text));
  if (value === undefined) throw new Error(errors.map(({ message }) => message).join('\n'));
  const { listeners = [], clusters = [] } = value.staticResources ?? {};
  const control = new XdsControl({ listeners, clusters, routes: [], endpoints: [] });
  await control.listen();
  const admin = value.admin?.address?.socketAddress?.portValue ?? 0;
  const asking = JSON.parse(xdsBootstrap(admin, control.port)) as object;
  await writeFile(file, JSON.stringify({ ...(JSON.parse(text) as object), ...asking }));
  return control;
}
