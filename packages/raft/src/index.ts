export {
  type DecodedFrame,
  type DecodeOptions,
  decodeFrame,
  encodeFrame,
} from "./codec/frame-codec.ts";
export { type RaftFrameErrorCode } from "./codec/message-error.ts";
export {
  changeConfiguration,
  type Configuration,
  type ConfigurationInput,
  type MembershipOperation,
  MEMBERS_MAX,
} from "./core/configuration.ts";
export { decodeConfiguration, encodeConfiguration } from "./core/configuration-codec.ts";
export {
  describeConfiguration,
  describeEntries,
  describeMessage,
  describeProgress,
  describeState,
} from "./core/describe.ts";
export { type DropReason } from "./core/drop-reason.ts";
export {
  bytesOf,
  countOf,
  type EntryBatch,
  type EntryKind,
  lastIndexOf,
  packPayloads,
  payloadAt,
  type Payloads,
} from "./core/entry.ts";
export { type GroupId, type LogIndex, type NodeId, POSITION_MAX, type Term } from "./core/ids.ts";
export { findViolation } from "./core/invariants.ts";
export { type LeaseRead } from "./core/lease.ts";
export {
  type ConfigurationAt,
  type DamagedRange,
  type EntryReader,
  type HardState,
  type LogImage,
  type LogPoint,
} from "./core/log-store.ts";
export { type MembershipChangeOptions } from "./core/membership-change.ts";
export type * from "./core/message.ts";
export { type Mutant, MUTANTS } from "./core/mutants.ts";
export { type Electorate, quorumCommitted, voteResult, type VoteResult } from "./core/quorum.ts";
export { type Proposed, RaftCore } from "./core/raft-core.ts";
export { type RaftErrorCode } from "./core/raft-error.ts";
export {
  DEFAULT_SETTINGS,
  type LeaseSettings,
  type RaftOptions,
  type RaftSettings,
} from "./core/raft-options.ts";
export { type Role } from "./core/raft-state.ts";
export {
  type RaftEvent,
  type RaftEventMessage,
  type RaftEventName,
  type RaftObserver,
} from "./core/raft-trace.ts";
export {
  type ConfirmedRead,
  type NewBase,
  type Ready,
  type ReceivedChunk,
  type WantedChunk,
} from "./core/ready.ts";
export { type TermRun } from "./core/term-runs.ts";
export { MemoryLogStore } from "./memory-log-store.ts";
export { type GroupLog, type LogWrite } from "./store/group-log.ts";
export { type RaftDriverErrorCode } from "./driver/driver-error.ts";
export { DRIVER_MUTANTS, type DriverMutant } from "./driver/driver-mutants.ts";
export { type GroupOptions } from "./driver/group-options.ts";
export { MultiRaft, type MultiRaftOptions } from "./driver/multi-raft.ts";
export {
  type ListeningTransportOptions,
  NetworkTransport,
  type NetworkTransportOptions,
  type TransportStats,
} from "./driver/network-transport.ts";
export { type RaftNodeStats } from "./driver/describe-node.ts";
export { RaftNode } from "./driver/raft-node.ts";
export {
  DiskSnapshotStore,
  MemorySnapshotStore,
  type SnapshotStore,
  type StoredSnapshot,
} from "./driver/snapshot-store.ts";
export { type RoleChange } from "./driver/role-watch.ts";
export { type StateMachine } from "./driver/state-machine.ts";
export { InProcessHub, type RaftTransport, type TransportHandlers } from "./driver/transport.ts";
