// gRPC-Web (envoy.extensions.filters.http.grpc_web.v3).
import { message, type Static } from './schema.ts';

/** The filter: browsers' calls become gRPC, whose answers become gRPC-Web. It has no settings. */
export const GrpcWeb = message('envoy.extensions.filters.http.grpc_web.v3.GrpcWeb', {});
export interface GrpcWeb extends Static<typeof GrpcWeb> {}
