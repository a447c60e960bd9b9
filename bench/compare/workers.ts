// The row of workers: weft and Envoy with one and with two, in the same rounds; what two cost a request more than one.
import { middle, samplesOf, stopPeers } from './measure.ts';
import type { Figures, Row, Run } from './measure.ts';
import { startPeer } from './peers.ts';
import type { Peer, PeerName } from './peers.ts';
import { SCENARIOS } from './scenarios.ts';

export const WORKERS_ROW = 'workers-2';

/** The others have no workers that could be counted alike. */
const COMPARED: readonly PeerName[] = ['weft', 'envoy'];

/** Ratios are to the same proxy with one worker. The load has a core less then, so that rates mean nothing. */
export async function measureWorkers(run: Run): Promise<Row> {
  const scenario = SCENARIOS.find(({ id }) => id === 'h1')!;
  const peers: Peer[] = [];
  try {
    for (const name of COMPARED.filter((compared) => run.peers.includes(compared))) {
      for (const workers of [1, 2]) {
        const peer = await startPeer(name, scenario.shape, run.upstreams[scenario.shape], run.folder, { workers });
        if (typeof peer === 'string') run.leaveOut(`${WORKERS_ROW}, ${name}: it ${peer}`);
        else peers.push(peer);
      }
    }
    const samples = await samplesOf({ ...scenario, id: WORKERS_ROW }, run, peers);
    const figures = new Map(peers.map(({ name, label }): [string, Figures] =>
      [label, middle(samples.get(label)!, samples.get(name))]));
    const title = 'HTTP/1.1 keep-alive, 64 connections, one worker and two; ratio to the same proxy with one';
    return { id: WORKERS_ROW, title, per: 'request', figures };
  } finally {
    await stopPeers(peers, run);
  }
}
