import { crc32 } from "node:zlib";
import { type Disk, type Environment, isKvsError, readFullyAt, writeFullyAt } from "@kvs/env";

/** The folder of a node's files. */
export const LEDGER_FOLDER = "ledger";

const MANIFEST_PATH = `${LEDGER_FOLDER}/manifest`;
const DRAFT_PATH = `${LEDGER_FOLDER}/manifest.draft`;

/** Which segments count, and in which life of the node. Replaced as a whole, by a rename. */
export interface Manifest {
  readonly epoch: number;
  /** Numbers of the segments, ascending. */
  readonly segments: readonly number[];
  /** Segments up to this one are of earlier lives, and certainly on the disk. */
  readonly secured: number;
}

/** What was found under the manifest's name. */
export type FoundManifest =
  | { readonly type: "whole"; readonly manifest: Manifest }
  | { readonly type: "absent" }
  | { readonly type: "damaged" };

/** Reads the manifest and checks it. */
export async function readManifest(disk: Disk): Promise<FoundManifest> {
  let bytes: Uint8Array;
  try {
    bytes = await readWhole(disk, MANIFEST_PATH);
  } catch (error) {
    if (isKvsError(error, "DISK_NOT_FOUND")) return { type: "absent" };
    throw error;
  }
  const text = new TextDecoder().decode(bytes);
  const body = text.slice(text.indexOf(" ") + 1);
  if (text.slice(0, text.indexOf(" ")) !== checksumOf(body)) return { type: "damaged" };
  return { type: "whole", manifest: JSON.parse(body) as Manifest };
}

/**
 * Replaces the manifest; durable when answered.
 *
 * @throws {KvsError} of the disk. After it nobody knows which manifest is in place: give up.
 */
export async function writeManifest(environment: Environment, manifest: Manifest): Promise<void> {
  const { disk, hooks } = environment;
  const body = JSON.stringify(manifest);
  const file = await disk.open(DRAFT_PATH, { create: true });
  try {
    await file.truncate(0); // a draft of an earlier life may be longer
    await writeFullyAt(file, new TextEncoder().encode(`${checksumOf(body)} ${body}`), 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.rename(DRAFT_PATH, MANIFEST_PATH);
  if (!hooks.hasMutant("env.skip-directory-sync")) await disk.syncDirectory(LEDGER_FOLDER);
}

/** The whole content of a file. */
export async function readWhole(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path, { readOnly: true });
  try {
    const bytes = new Uint8Array(await file.size());
    const count = await readFullyAt(file, bytes, 0);
    return bytes.subarray(0, count);
  } finally {
    await file.close();
  }
}

function checksumOf(body: string): string {
  return crc32(new TextEncoder().encode(body)).toString(16).padStart(8, "0");
}
