// A peer's SETTINGS, checked value by value (RFC 9113 section 6.5.2).
import { FRAME_BYTES_LIMIT, FRAME_BYTES_MAX, Http2Error, SETTING_BYTES, Setting, WINDOW_MAX } from './http2-frame.ts';
import { readUint32 } from './http2-frame.ts';

/** Who applies them. */
export interface SettingsSink {
  onTableSize(bytes: number): void;
  /** False: a stream's window would grow beyond what there is. */
  onInitialWindow(bytes: number): boolean;
  onMaxStreams(count: number): void;
  onConnectProtocol(allowed: boolean): void;
}

/** Unknown settings are ignored. Returns an Http2Error number. */
export function readSettings(
  bytes: Buffer, start: number, end: number, fromServer: boolean, sink: SettingsSink,
): number {
  for (let at = start; at < end; at += SETTING_BYTES) {
    const id = (bytes[at]! << 8) | bytes[at + 1]!;
    const error = readSetting(id, readUint32(bytes, at + 2), fromServer, sink);
    if (error !== Http2Error.NO_ERROR) return error;
  }
  return Http2Error.NO_ERROR;
}

function readSetting(id: number, value: number, fromServer: boolean, sink: SettingsSink): number {
  switch (id) {
    case Setting.HEADER_TABLE_SIZE:
      sink.onTableSize(value);
      return Http2Error.NO_ERROR;
    case Setting.ENABLE_PUSH:
      // A server that asks whether it may push would push (S31).
      return value > 1 || (fromServer && value !== 0) ? Http2Error.PROTOCOL_ERROR : Http2Error.NO_ERROR;
    case Setting.MAX_CONCURRENT_STREAMS:
      sink.onMaxStreams(value);
      return Http2Error.NO_ERROR;
    case Setting.INITIAL_WINDOW_SIZE:
      return value <= WINDOW_MAX && sink.onInitialWindow(value) ? Http2Error.NO_ERROR : Http2Error.FLOW_CONTROL_ERROR;
    case Setting.MAX_FRAME_SIZE:
      return value < FRAME_BYTES_MAX || value > FRAME_BYTES_LIMIT ? Http2Error.PROTOCOL_ERROR : Http2Error.NO_ERROR;
    case Setting.ENABLE_CONNECT_PROTOCOL:
      if (value > 1) return Http2Error.PROTOCOL_ERROR;
      sink.onConnectProtocol(value === 1);
      return Http2Error.NO_ERROR;
    default:
      return Http2Error.NO_ERROR;
  }
}
