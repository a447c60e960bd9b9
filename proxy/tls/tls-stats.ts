// Counters of the TLS side of a listener or cluster, with Envoy's names under `ssl.`.
import { innerScope } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import { StatShape } from '../telemetry/stats.ts';
import type { Counter, StatBlock, Stats } from '../telemetry/stats.ts';
import type { VerifyFailure } from './peer-verification.ts';

const SHAPE = new StatShape('ssl', {
  counter: [
    'handshake', 'connection_error', 'session_reused', 'no_certificate', 'fail_verify_no_cert', 'fail_verify_error',
    'fail_verify_san', 'fail_verify_cert_hash', 'connection_expired', 'handshake_overflow',
  ],
  gauge: [],
  histogram: [],
});

/** Handshakes are rare beside requests, and clusters many: what counts is made each time. */
export class TlsStats {
  readonly #block: StatBlock;

  constructor(stats: Stats, scope: StatScope) {
    this.#block = stats.block(SHAPE, innerScope(scope, 'ssl'));
  }

  get handshake(): Counter {
    return this.#block.counter('handshake');
  }

  get connectionError(): Counter {
    return this.#block.counter('connection_error');
  }

  get sessionReused(): Counter {
    return this.#block.counter('session_reused');
  }

  /** Handshakes in which the peer showed no certificate and needed none. */
  get noCertificate(): Counter {
    return this.#block.counter('no_certificate');
  }

  /** Connections that were cut because a certificate ended. */
  get connectionExpired(): Counter {
    return this.#block.counter('connection_expired');
  }

  /** Connections that were closed because too many handshakes began in this second. */
  get handshakeOverflow(): Counter {
    return this.#block.counter('handshake_overflow');
  }

  /** A peer was refused; that is a connection error as well, as in Envoy. */
  refused(failure: VerifyFailure): void {
    this.#block.counter(`fail_verify_${failure}`).inc();
    this.connectionError.inc();
  }
}
