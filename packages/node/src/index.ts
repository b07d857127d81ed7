export { type NodeEnvironmentOptions, createNodeEnvironment } from "./node-environment.ts";
export { createStderrTrace } from "./stderr-trace.ts";
export { fileKeyProvider } from "./file-key-provider.ts";
export { newMasterKeyLine } from "./master-key-provider.ts";
export { variableKeyProvider } from "./variable-key-provider.ts";
