import { createNodeEnvironment } from "@kvs/node";
import { type RecoveryProgress, type RecoveryReport, Store } from "@kvs/txn";
import { type Session, callersPath } from "../session.ts";
import { type OfflineFlags, encryptionOf } from "./encryption.ts";
import { requireStopped } from "./offline.ts";

/** Page cache while a store is recovered: pages that the log names are brought in once in a while. */
const RECOVER_MEMORY_BYTES: number = 256 << 20;
/** Progress is told at most so often. */
const PROGRESS_MS = 1000;
const MIB: number = 1 << 20;

/** Recovers a stopped server's data, makes a checkpoint, closes, and prints what there was to do. */
export async function recover(session: Session, flags: OfflineFlags): Promise<void> {
  const { dataDir } = flags;
  const environment = createNodeEnvironment();
  const path = callersPath(dataDir);
  await requireStopped(environment, path, dataDir);
  const report = await Store.recover(environment, {
    path,
    memoryBytes: RECOVER_MEMORY_BYTES,
    onProgress: progressTeller(session),
    ...encryptionOf(flags),
  });
  const { output } = session;
  if (output.isJson) await output.value(report);
  else for (const line of linesOf(report, dataDir)) await output.line(line);
}

function linesOf(report: RecoveryReport, shown: string): readonly string[] {
  const { wasClean, records, bytes, opsRedone, pages, undoneBatches, durationMs } = report;
  if (wasClean) return [`${shown} had been closed: nothing to recover`];
  return [
    `${shown} is recovered, in ${(durationMs / 1000).toFixed(1)} s`,
    `log read: ${(bytes / MIB).toFixed(1)} MiB, ${records} records`,
    `pages brought up to date: ${pages}, with ${opsRedone} changes`,
    `batches without a decision, taken back: ${undoneBatches}`,
  ];
}

/** A line on standard error now and then, for a person who waits. */
function progressTeller(session: Session): (progress: RecoveryProgress) => void {
  let toldMs = performance.now();
  return ({ phase, doneBytes, totalBytes }) => {
    if (!session.output.isTerminal || performance.now() - toldMs < PROGRESS_MS) return;
    toldMs = performance.now();
    const [done, total] = [doneBytes, totalBytes].map((bytes) => (bytes / MIB).toFixed(0));
    process.stderr.write(`kvsctl: ${phase}: ${done} of ${total} MiB\n`);
  };
}
