import { createNodeEnvironment } from "@kvs/node";
import { openEngine } from "@kvs/query";
import { type PreparedOutcome, type PreparedTransactions } from "@kvs/txn";
import { CommandFailure, type Session, callersPath } from "../session.ts";
import { type OfflineFlags, encryptionOf } from "./encryption.ts";
import { requireStopped } from "./offline.ts";

const MEMORY_BYTES: number = 64 << 20;
const ID_BYTES_MAX = 200;

/** Prints the prepared transactions of a stopped server that wait for their coordinator. */
export function listInDoubt(session: Session, flags: OfflineFlags): Promise<void> {
  const { output } = session;
  return withPrepared(flags, async (prepared) => {
    const waiting = prepared.inDoubt();
    if (output.isJson) {
      for (const each of waiting) await output.value(each);
      return;
    }
    if (waiting.length === 0) return output.say("no transaction is in doubt");
    const rows = waiting.map(({ globalId, coordinator, preparedAtMs, keyCount }) => [
      globalId,
      coordinator,
      new Date(preparedAtMs).toISOString(),
      keyCount,
    ]);
    await output.table(["transaction", "coordinator", "prepared", "locked keys"], rows);
  });
}

/** Decides one, in place of its coordinator. A decision that was made before stays. */
export function decideInDoubt(
  session: Session,
  flags: OfflineFlags,
  decision: { readonly globalId: string; readonly isCommit: boolean },
): Promise<void> {
  const { globalId, isCommit } = decision;
  return withPrepared(flags, async (prepared) => {
    const bytes = Buffer.byteLength(globalId);
    if (bytes < 1 || bytes > ID_BYTES_MAX) {
      throw new CommandFailure(`the id of a prepared transaction has 1 to ${ID_BYTES_MAX} bytes`);
    }
    // A coordinator may roll back what was never prepared; a person who does has mistyped the id.
    await prepared.requireKnown(globalId);
    const outcome = isCommit ? await prepared.commit(globalId) : await prepared.rollback(globalId);
    if (session.output.isJson) await session.output.value({ globalId, ...outcome });
    else await session.output.say(`transaction ${globalId} is ${textOf(outcome)}`);
  });
}

function textOf(outcome: PreparedOutcome): string {
  if (outcome.outcome === "rolled-back") return "rolled back";
  return `committed, with version ${outcome.version}`;
}

async function withPrepared(
  flags: OfflineFlags,
  body: (prepared: PreparedTransactions) => Promise<void>,
): Promise<void> {
  const environment = createNodeEnvironment();
  const path = callersPath(flags.dataDir);
  await requireStopped(environment, path, flags.dataDir);
  const options = { path, memoryBytes: MEMORY_BYTES, ...encryptionOf(flags) };
  const opened = await openEngine(environment, options);
  try {
    await body(opened.engine.transactions.prepared);
  } finally {
    await opened.close();
  }
}
