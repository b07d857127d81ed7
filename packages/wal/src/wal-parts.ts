import { type Environment } from "@kvs/env";

import { Archiver } from "./archiver.ts";
import { AppendBuffer } from "./append-buffer.ts";
import { GROUP_BYTES_MAX } from "./group.ts";
import { FragmentSealer } from "./fragment-seal.ts";
import { GroupCommit } from "./group-commit.ts";
import { HeadTruncation } from "./head-truncation.ts";
import { KeyUsage } from "./key-usage.ts";
import { type OpenLog, openLog } from "./open-log.ts";
import { RecordCompressor } from "./record-compression.ts";
import { LogSpace } from "./log-space.ts";
import { SEAL_BYTES } from "./record-format.ts";
import { Retentions } from "./retention.ts";
import { RecordOpener } from "./record-opener.ts";
import { type Sabotage, readSabotage } from "./sabotage.ts";
import { type SegmentSet } from "./segment-set.ts";
import { type ResolvedWalOptions } from "./wal-options.ts";

/** Small groups, for runs that want rare timing to be common. */
const SMALL_GROUP_BYTES = 512;

/** What an open log consists of. */
export interface WalParts {
  readonly environment: Environment;
  readonly options: ResolvedWalOptions;
  readonly sabotage: Sabotage;
  readonly segments: SegmentSet;
  readonly buffer: AppendBuffer;
  readonly commit: GroupCommit;
  readonly opener: RecordOpener;
  readonly keyUsage: KeyUsage;
  readonly space: LogSpace;
  readonly retentions: Retentions;
  readonly archiver: Archiver | undefined;
  readonly truncation: HeadTruncation;
}

/** Opens the files and puts the parts of the log together. @throws {KvsError} as `Wal.open`. */
export async function openParts(
  environment: Environment,
  options: ResolvedWalOptions,
): Promise<WalParts> {
  const sabotage = readSabotage(environment.hooks);
  const log = await openLog(environment, options);
  const { segments, tail } = log;
  try {
    const keyUsage: KeyUsage = new KeyUsage(segments, () => Math.min(tail.lsn, commit.durableLsn));
    const buffer = newBuffer({ environment, options, sabotage, keyUsage }, log);
    const commit: GroupCommit = new GroupCommit(environment, segments, buffer);
    const base = { environment, options, sabotage, segments, buffer, commit, keyUsage };
    const space = new LogSpace({
      ...base,
      reserveBytes: options.reserveBytes,
      sealBytes: options.keys === undefined ? 0 : SEAL_BYTES,
      endLsn: () => buffer.lsn,
    });
    await space.refill();
    return { ...base, opener: newOpener(base), space, ...newTruncation(base) };
  } catch (error) {
    await segments.close();
    throw error;
  }
}

type BaseParts = Pick<WalParts, "environment" | "options" | "sabotage" | "segments" | "commit">;

function newOpener({ environment, options, sabotage, segments }: BaseParts): RecordOpener {
  return new RecordOpener({
    source: segments,
    compressors: environment.compressors,
    keys: options.keys,
    sealedFrom: options.sealedFrom,
    maxRecordBytes: options.maxRecordBytes,
    sabotage,
  });
}

function newTruncation(base: BaseParts): Pick<WalParts, "archiver" | "retentions" | "truncation"> {
  const { environment, options, segments, commit } = base;
  const { archive, spareSegments } = options;
  const retentions = new Retentions();
  const durableLsn = (): number => commit.durableLsn;
  const onTaken = (): Promise<void> => truncation.resume();
  const archiver: Archiver | undefined =
    archive && new Archiver({ environment, segments, archive, durableLsn, onTaken });
  const truncation: HeadTruncation = new HeadTruncation({
    ...base,
    retentions,
    archiver,
    spareSegments,
  });
  if (archiver !== undefined) {
    const start = (): void => void archiver.start();
    commit.onDurable(start);
    start();
  }
  return { archiver, retentions, truncation };
}

function newBuffer(
  setting: Pick<WalParts, "environment" | "options" | "sabotage" | "keyUsage">,
  { segments, tail }: OpenLog,
): AppendBuffer {
  const { environment, options, sabotage, keyUsage } = setting;
  const { keys, compression } = options;
  const { geometry, identity } = segments;
  const isSmall = environment.hooks.buggify("wal.small-groups");
  return new AppendBuffer({
    geometry,
    identity,
    lsn: tail.lsn,
    epoch: tail.epoch + 1,
    groupBytesMax: isSmall ? SMALL_GROUP_BYTES : GROUP_BYTES_MAX,
    sealer: keys && new FragmentSealer(keys, environment.random, identity, sabotage),
    compressor:
      compression &&
      new RecordCompressor(environment.compressors, compression.compressor, compression.fromBytes),
    onKeyUsed: (base, keyId) => keyUsage.note(base, keyId),
    leavesHeaderOut: sabotage.leavesHeaderOut,
  });
}
