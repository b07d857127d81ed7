import { type Environment } from "@kvs/env";

import { AppendBuffer, GROUP_BYTES_MAX } from "./append-buffer.ts";
import { FragmentSealer } from "./fragment-seal.ts";
import { GroupCommit } from "./group-commit.ts";
import { KeyUsage } from "./key-usage.ts";
import { type OpenLog, openLog } from "./open-log.ts";
import { RecordCompressor } from "./record-compression.ts";
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
}

/** Opens the files and puts the parts of the log together. @throws {KvsError} as `Wal.open`. */
export async function openParts(
  environment: Environment,
  options: ResolvedWalOptions,
): Promise<WalParts> {
  const sabotage = readSabotage(environment.hooks);
  const log = await openLog(environment, options);
  const { segments, tail } = log;
  const keyUsage: KeyUsage = new KeyUsage(segments, () => Math.min(tail.lsn, commit.durableLsn));
  const buffer = newBuffer({ environment, options, sabotage, keyUsage }, log);
  const commit: GroupCommit = new GroupCommit(environment, segments, buffer);
  const opener = new RecordOpener({
    source: segments,
    compressors: environment.compressors,
    keys: options.keys,
    sealedFrom: options.sealedFrom,
    maxRecordBytes: options.maxRecordBytes,
    sabotage,
  });
  return { environment, options, sabotage, segments, buffer, commit, opener, keyUsage };
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
