export { type NodeEnvironmentOptions, createNodeEnvironment } from "./node-environment.ts";
export { createStderrTrace } from "./stderr-trace.ts";
