import { randomBytes } from "node:crypto";
import { createNodeEnvironment, newMasterKeyLine } from "@kvs/node";
import { Store, listKeys } from "@kvs/txn";
import { CommandFailure, type Session, callersPath } from "../session.ts";
import { type OfflineFlags, encryptionOf, providerOf } from "./encryption.ts";
import { requireStopped } from "./offline.ts";

const MEMORY_BYTES: number = 64 << 20;

/** Prints a line with a fresh master key. */
export async function newKey(session: Session, name: string | undefined): Promise<void> {
  const line = newMasterKeyLine(name ?? `key-${randomBytes(4).toString("hex")}`);
  if (session.output.isJson) await session.output.value({ line });
  else await session.output.line(line);
}

/** Prints the data keys of a data directory; the server may run. */
export async function listDataKeys(session: Session, flags: OfflineFlags): Promise<void> {
  const environment = createNodeEnvironment();
  const path = callersPath(flags.dataDir);
  const keys = await listKeys(environment, path);
  const { output } = session;
  if (output.isJson) {
    for (const key of keys ?? []) await output.value(key);
    return;
  }
  if (keys === undefined) return output.say(`${flags.dataDir} is not encrypted`);
  const rows = keys.map(({ id, state, createdMs, masterKeyName }) => [
    id,
    state,
    new Date(createdMs).toISOString(),
    masterKeyName,
  ]);
  await output.table(["key", "state", "made", "master key"], rows);
}

/** Seals a stopped server's data with a fresh key. */
export function rotateKeys(session: Session, flags: OfflineFlags): Promise<void> {
  return withKeys(flags, async (store) => {
    const rotated = await store.rotateKeys();
    if (session.output.isJson) return session.output.value(rotated);
    const { keyId, rewrittenPages, destroyed, kept } = rotated;
    await session.output.say(`${rewrittenPages} pages are sealed anew, with key ${keyId}`);
    if (destroyed.length > 0) await session.output.say(`destroyed: ${destroyed.join(", ")}`);
    if (kept.length > 0) await session.output.say(`still needed: ${kept.join(", ")}`);
  });
}

/** Wraps the keys of a stopped server's data with the newest master key. */
export function rewrapKeys(session: Session, flags: OfflineFlags): Promise<void> {
  return withKeys(flags, async (store) => {
    const count = await store.rewrapKeys();
    const name = store.keys().at(-1)?.masterKeyName;
    if (session.output.isJson) await session.output.value({ count, masterKeyName: name });
    else await session.output.say(`${count} keys are wrapped with the master key ${name}`);
  });
}

async function withKeys(flags: OfflineFlags, body: (store: Store) => Promise<void>): Promise<void> {
  if (providerOf(flags) === undefined) {
    throw new CommandFailure("say where the master keys are: --key-file or --key-variable");
  }
  const environment = createNodeEnvironment();
  const path = callersPath(flags.dataDir);
  await requireStopped(environment, path, flags.dataDir);
  const options = { path, memoryBytes: MEMORY_BYTES, ...encryptionOf(flags) };
  const store = await Store.open(environment, options);
  try {
    await body(store);
  } finally {
    await store.close();
  }
}
