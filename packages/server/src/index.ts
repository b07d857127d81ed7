export {
  type CheckStatus,
  type HealthProbe,
  type HealthProbes,
  type HealthReport,
} from "./observe/health.ts";
export { Server } from "./server.ts";
export { type ServerErrorCode } from "./server-error.ts";
export { type ServerLimits, type ServerOptions, isLoopback } from "./server-options.ts";
export { warmUp } from "./session/warm-up.ts";
