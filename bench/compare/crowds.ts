// The row of many routes: weft and Envoy with the few of the sidecar, among 10,000 virtual hosts, and behind 1,000
// others in one virtual host; what that costs a request more.
import { CROWDS } from './bootstrap.ts';
import { middle, samplesOf, stopPeers } from './measure.ts';
import type { Figures, Row, Run } from './measure.ts';
import { startPeer } from './peers.ts';
import type { Peer, PeerName } from './peers.ts';
import { SCENARIOS } from './scenarios.ts';

export const CROWDS_ROW = 'crowds';

const COMPARED: readonly PeerName[] = ['weft', 'envoy'];

/** Ratios are to the same proxy without the crowd. */
export async function measureCrowds(run: Run): Promise<Row> {
  const scenario = SCENARIOS.find(({ id }) => id === 'h1')!;
  const peers: Peer[] = [];
  try {
    for (const name of COMPARED.filter((compared) => run.peers.includes(compared))) {
      for (const crowd of [undefined, ...CROWDS]) {
        const options = crowd === undefined ? {} : { crowd };
        const peer = await startPeer(name, scenario.shape, run.upstreams[scenario.shape], run.folder, options);
        if (typeof peer === 'string') run.leaveOut(`${CROWDS_ROW}, ${name}: it ${peer}`);
        else peers.push(peer);
      }
    }
    const samples = await samplesOf({ ...scenario, id: CROWDS_ROW }, run, peers);
    const figures = new Map(peers.map(({ name, label }): [string, Figures] =>
      [label, middle(samples.get(label)!, samples.get(name))]));
    const title = 'as h1, with 10,000 virtual hosts, with 1,000 routes before the one; ratio to the same proxy without';
    return { id: CROWDS_ROW, title, per: 'request', figures };
  } finally {
    await stopPeers(peers, run);
  }
}
