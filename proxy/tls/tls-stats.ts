// Counters of the TLS side of a listener or cluster, with Envoy's names under `ssl.`.
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { VerifyFailure } from './peer-verification.ts';

export class TlsStats {
  readonly handshake: Counter;
  readonly connectionError: Counter;
  readonly sessionReused: Counter;
  /** Handshakes in which the peer showed no certificate and needed none. */
  readonly noCertificate: Counter;
  readonly #failVerify: Readonly<Record<VerifyFailure, Counter>>;

  constructor(stats: Stats, scope: StatScope) {
    const counter = (name: string): Counter => stats.counter(statName(scope, `ssl.${name}`));
    this.handshake = counter('handshake');
    this.connectionError = counter('connection_error');
    this.sessionReused = counter('session_reused');
    this.noCertificate = counter('no_certificate');
    this.#failVerify = {
      no_cert: counter('fail_verify_no_cert'),
      error: counter('fail_verify_error'),
      san: counter('fail_verify_san'),
      cert_hash: counter('fail_verify_cert_hash'),
    };
  }

  /** A peer was refused; that is a connection error as well, as in Envoy. */
  refused(failure: VerifyFailure): void {
    this.#failVerify[failure].inc();
    this.connectionError.inc();
  }
}
