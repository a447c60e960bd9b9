// Operators about gRPC: %GRPC_STATUS(…)%, %GRPC_STATUS_NUMBER%, and what the filter grpc_stats has counted.
import { ConfigError } from '../base/error.ts';
import type { Operator, OperatorSpec } from './format-spec.ts';
import { GRPC_STATUS, grpcStatus } from './grpc-status.ts';
import type { StreamInfo } from './stream-info.ts';

/** The one object of filter state that is kept. */
const MESSAGES = 'envoy.filters.http.grpc_stats';

function statusOperator(args: string, path: string): Operator {
  if (args === 'NUMBER') return { read: grpcStatus, origin: 'own' };
  if (!['', 'CAMEL_STRING', 'SNAKE_STRING'].includes(args)) {
    throw new ConfigError(path, `%GRPC_STATUS(${args})%: expected CAMEL_STRING, SNAKE_STRING or NUMBER`);
  }
  const column = args === 'SNAKE_STRING' ? 1 : 0;
  const read = (info: StreamInfo): string | undefined => {
    const status = grpcStatus(info);
    return status === undefined ? undefined : (GRPC_STATUS[status]?.[column] ?? String(status));
  };
  return { read, origin: 'own' };
}

/** %FILTER_STATE(envoy.filters.http.grpc_stats:TYPED|PLAIN)%: numbers of messages as JSON, or `requests,responses`. */
function filterState(args: string, path: string): Operator {
  const [name, form = 'TYPED', ...rest] = args.split(':');
  if (name !== MESSAGES || !['TYPED', 'PLAIN'].includes(form) || rest.length > 0) {
    throw new ConfigError(path, `%FILTER_STATE(${args})%: expected ${MESSAGES}, alone or with :PLAIN or :TYPED`);
  }
  return { read: form === 'PLAIN' ? plainMessages : typedMessages, origin: 'own' };
}

function plainMessages({ grpcMessages }: StreamInfo): string | undefined {
  return grpcMessages === undefined ? undefined : `${grpcMessages.requests},${grpcMessages.responses}`;
}

/** As protobuf's JSON has it: 64-bit numbers are text, and 0 is left out. */
function typedMessages({ grpcMessages }: StreamInfo): string | undefined {
  if (grpcMessages === undefined) return undefined;
  const { requests, responses } = grpcMessages;
  return JSON.stringify({
    ...(requests > 0 && { requestMessageCount: String(requests) }),
    ...(responses > 0 && { responseMessageCount: String(responses) }),
  });
}

export const grpcOperators: readonly [string, OperatorSpec][] = [
  ['GRPC_STATUS', { args: 'optional', cut: false, compile: statusOperator }],
  ['GRPC_STATUS_NUMBER', { args: 'none', cut: false, compile: () => ({ read: grpcStatus, origin: 'own' }) }],
  ['FILTER_STATE', { args: 'required', cut: false, compile: filterState }],
];
