import { crc32 } from "node:zlib";
import { type Environment, isKvsError, writeFullyAt } from "@kvs/env";
import { LEDGER_FOLDER, readWhole } from "./manifest.ts";

const NOTES_PATH = `${LEDGER_FOLDER}/notes`;

/** Some pages, so that a power cut has much to tear. */
const NOTES_LINES = 96;
const LINE_FILLER = ".".repeat(120);

/** What a node noted in passing: never synced, and worth nothing unless its checksum fits. */
export interface Notes {
  readonly epoch: number;
  readonly recordCount: number;
}

/**
 * Writes the notes over the last ones, and does not wait for the disk to store them.
 *
 * @throws {KvsError} `DISK_FULL`, `DISK_IO`, `DISK_TOO_MANY_FILES`: the notes are lost, no harm.
 */
export async function writeNotes({ disk }: Environment, notes: Notes): Promise<void> {
  const body = notesBody(notes);
  const file = await disk.open(NOTES_PATH, { create: true });
  try {
    const bytes = new TextEncoder().encode(`${checksumOf(body)} ${body}`);
    await writeFullyAt(file, bytes, 0);
    await file.truncate(bytes.length);
  } finally {
    await file.close();
  }
}

/**
 * Reads the notes of an earlier life.
 *
 * @returns What they say; `undefined` if there are none, or not whole ones; `torn` if they pass for
 *   whole and are a mixture all the same.
 */
export async function readNotes({ disk, hooks }: Environment): Promise<Notes | "torn" | undefined> {
  let text: string;
  try {
    text = new TextDecoder().decode(await readWhole(disk, NOTES_PATH));
  } catch (error) {
    if (isKvsError(error, "DISK_NOT_FOUND", "DISK_IO", "DISK_TOO_MANY_FILES", "DISK_FULL")) {
      return undefined;
    }
    throw error;
  }
  const body = text.slice(text.indexOf(" ") + 1);
  const isWhole = text.slice(0, text.indexOf(" ")) === checksumOf(body);
  if (!isWhole && !hooks.hasMutant("env.ignore-checksum")) return undefined;
  const first = /^(\d+) (\d+) /.exec(body);
  if (first === null) return isWhole ? "torn" : undefined;
  const notes = { epoch: Number(first[1]), recordCount: Number(first[2]) };
  return notesBody(notes) === body ? notes : "torn";
}

function notesBody({ epoch, recordCount }: Notes): string {
  const line = `${epoch} ${recordCount} ${LINE_FILLER}\n`;
  return line.repeat(NOTES_LINES);
}

function checksumOf(body: string): string {
  return crc32(new TextEncoder().encode(body)).toString(16).padStart(8, "0");
}
