export { type CertificateFields, simulatedCertificate } from "./network/simulated-certificate.ts";
export { type HostMain, type PauseOptions, type SimHost } from "./host.ts";
export { type LinkSettings, QUIET_LINK } from "./network/link.ts";
export { type NetworkFault, type SimNetwork } from "./network/sim-network.ts";
export {
  type Cut,
  PARTITION_SHAPES,
  type PartitionShape,
  cutsBetween,
  drawPartition,
} from "./network/partitions.ts";
export {
  type Fault,
  type FaultEvent,
  applyFault,
  type LinkFaultKind,
  type SwizzleStep,
} from "./fault-event.ts";
export {
  type FaultIntervals,
  type FaultKind,
  type FaultPlan,
  type FaultPlanOptions,
  NO_FAULTS,
  allowedKinds,
  drawFaultPlan,
} from "./fault-plan.ts";
export { Nemesis, type NemesisOptions, startNemesis } from "./nemesis.ts";
export { type FaultScenario, replayScenario } from "./scenario.ts";
export { type ShrinkOptions, type ShrunkScenario, shrinkScenario } from "./shrink-scenario.ts";
export { SIM_EPOCH_MS } from "./host-clock.ts";
export { InstantWorld, type InstantWorldOptions } from "./instant-world.ts";
export { type RunEnd, type RunOptions } from "./scheduler.ts";
export { type SimErrorCode } from "./sim-error.ts";
export { type BuggifySiteReport } from "./sim-hooks.ts";
export { type TraceLine } from "./sim-trace.ts";
export {
  type HostOptions,
  Simulation,
  type SimulationKnobs,
  type SimulationOptions,
  type SimulationResult,
} from "./simulation.ts";
export { toyCiphers } from "./toy-ciphers.ts";
export { toyCompressors } from "./toy-compressors.ts";
export { type ClockCase, clockConformance } from "./conformance/clock.ts";
export {
  type NetworkCase,
  type NetworkSubject,
  type NetworkTlsSubject,
} from "./conformance/network-case.ts";
export { networkConformance } from "./conformance/network.ts";
export { diskConformance } from "./conformance/disk.ts";
export { type DiskCase } from "./conformance/disk-case.ts";
export { type CrashMode } from "./disk/crash-image.ts";
export {
  type DiskCall,
  type DiskContext,
  type DiskFaultKind,
  type DiskFaultPlan,
  type DiskOperation,
  type DiskVerdict,
  drawDiskFaultPlan,
  instantContext,
} from "./disk/disk-faults.ts";
export { type DiskStats } from "./disk/disk-process.ts";
export { BlockHashes } from "./disk/block-hashes.ts";
export { SimStorage, type SimStorageOptions } from "./disk/sim-storage.ts";
export { type FileSystemTraits } from "./disk/storage-state.ts";
export {
  type HistoryAnswer,
  type HistoryCall,
  type HistoryEvent,
  type HistoryEventType,
  type HistoryFunction,
  type HistoryKey,
  type HistoryValue,
  type KeyRange,
  type MicroOperation,
  type RangeAnswer,
  formatHistory,
  parseHistory,
} from "./check/history.ts";
export { HistoryRecorder, type OpenCall } from "./check/history-recorder.ts";
export { type HistoryRules, validateHistory } from "./check/history-validation.ts";
export {
  type KeyValueOperation,
  type KeyValueState,
  keyValueModel,
} from "./check/key-value-model.ts";
export {
  type LinearizabilityOptions,
  type LinearizabilityResult,
  type LinearizabilityViolation,
  checkLinearizability,
  checkRegisterHistory,
} from "./check/linearizability.ts";
export {
  ANY_CONTENT,
  type Content,
  IMPOSSIBLE,
  type Model,
  type Primitive,
  type TimedOperation,
} from "./check/model.ts";
export {
  type RegisterOperation,
  registerModel,
  registerOperations,
} from "./check/register-model.ts";
export {
  type Anomaly,
  type AnomalyOrder,
  type AnomalyType,
  type HistoryLevel,
  isForbidden,
} from "./check/serializability/anomaly.ts";
export {
  type SerializabilityResult,
  checkSerializability,
  checkTransactions,
} from "./check/serializability/serializability.ts";
export {
  type Transaction,
  type TransactionOutcome,
  transactionsOf,
} from "./check/serializability/transaction.ts";
export {
  type SetAnomaly,
  type SetOperation,
  type SetResult,
  checkSet,
  setOperations,
} from "./check/set-checker.ts";
export {
  type ReplayOptions,
  type ReplayResult,
  type ReplayViolation,
  type TimestampedCommit,
  type TimestampedRead,
  replayTimestamps,
} from "./check/timestamp-replay.ts";
export {
  type DataDrivenOptions,
  type DataDrivenResult,
  Directive,
  type DirectiveParts,
  parseDirectives,
  runDataDriven,
  runDataDrivenAsync,
} from "./datadriven.ts";
export {
  type Choices,
  type EveryChoiceOptions,
  everyChoice,
  everyChoiceAsync,
} from "./every-choice.ts";
export {
  type ForEachSeedOptions,
  type SeedRun,
  forEachSeed,
  forEachSeedAsync,
} from "./for-each-seed.ts";
