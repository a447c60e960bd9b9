// Tries that took longer than one may, and go on beside the tries that came after them (RouteAction.hedge_policy).
import type { Headers } from '../http/headers.ts';
import type { ResponseHead } from '../http/message.ts';
import type { ProxyError } from '../base/error.ts';
import type { ConnectionInfo, TlsInfo } from '../telemetry/stream-info.ts';
import type { Attempt, AttemptSink, Outcome } from '../upstream/upstream.ts';

/** Hears of the newest try as if there were no other, and of the first that older ones say. */
export interface HedgingRequest extends AttemptSink {
  readonly downstream: ConnectionInfo;
  onRivalHead(rival: HedgedTry, head: ResponseHead, endStream: boolean): void;
  onRivalError(rival: HedgedTry, error: ProxyError): void;
}

/** One try of a request whose tries may overlap. */
export class HedgedTry implements AttemptSink {
  readonly #owner: HedgingRequest;
  attempt!: Attempt;
  /** A later one was asked for: this one is heard only if it is the first to answer. */
  rival = false;
  /** Its endpoint was told of its timeout. */
  reported = false;
  localAddress = '';
  tls: TlsInfo | undefined = undefined;

  constructor(owner: HedgingRequest) {
    this.#owner = owner;
  }

  get downstream(): ConnectionInfo {
    return this.#owner.downstream;
  }

  /** Tells the endpoint how it went, once. */
  report(outcome: Outcome): void {
    if (!this.reported) this.attempt.endpoint.done(outcome);
    this.reported = true;
  }

  onAttemptReady(localAddress: string, tls: TlsInfo | undefined): void {
    this.localAddress = localAddress;
    this.tls = tls;
    if (!this.rival) this.#owner.onAttemptReady(localAddress, tls);
  }

  onInformational(head: ResponseHead): void {
    if (!this.rival) this.#owner.onInformational(head);
  }

  onRequestDrain(): void {
    this.#owner.onRequestDrain();
  }

  onResponseHead(head: ResponseHead, endStream: boolean): void {
    if (this.rival) this.#owner.onRivalHead(this, head, endStream);
    else this.#owner.onResponseHead(head, endStream);
  }

  onResponseData(chunk: Buffer, endStream: boolean): void {
    this.#owner.onResponseData(chunk, endStream);
  }

  onResponseTrailers(trailers: Headers): void {
    this.#owner.onResponseTrailers(trailers);
  }

  onResponseError(error: ProxyError): void {
    if (this.rival) this.#owner.onRivalError(this, error);
    else this.#owner.onResponseError(error);
  }
}

/** The tries of one request that are under way; at most one of them is no rival. */
export class HedgedTries {
  readonly #owner: HedgingRequest;
  readonly #rivals: HedgedTry[] = [];
  #newest: HedgedTry | undefined = undefined;

  constructor(owner: HedgingRequest) {
    this.#owner = owner;
  }

  /** Older tries that may still answer. */
  get waiting(): number {
    return this.#rivals.length;
  }

  /** The sink of the next try. */
  next(): HedgedTry {
    return (this.#newest = new HedgedTry(this.#owner));
  }

  /** The newest try's endpoint hears how it went, once. */
  report(outcome: Outcome): void {
    this.#newest?.report(outcome);
  }

  /** Another try will come: the newest goes on as one of the older. */
  outrun(): void {
    const outrun = this.#newest!;
    outrun.rival = true;
    this.#rivals.push(outrun);
    this.#newest = undefined;
  }

  remove(rival: HedgedTry): void {
    this.#rivals.splice(this.#rivals.indexOf(rival), 1);
  }

  /** It answers the request; from here on it is heard as the newest. */
  win(rival: HedgedTry): void {
    rival.rival = false;
    this.#newest = rival;
  }

  /** False when one of them wants the request to hold back. */
  sendData(chunk: Buffer, endStream: boolean): boolean {
    let room = true;
    for (const { attempt } of this.#rivals) room = attempt.sendData(chunk, endStream) && room;
    return room;
  }

  sendTrailers(trailers: Headers): void {
    for (const { attempt } of this.#rivals) attempt.sendTrailers(trailers.clone());
  }

  /** Older tries are over; their endpoints know of their timeouts. */
  cancel(): void {
    for (const { attempt } of this.#rivals.splice(0)) attempt.cancel();
  }
}
