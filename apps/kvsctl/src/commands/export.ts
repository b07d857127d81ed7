import { createWriteStream } from "node:fs";
import { rename, unlink } from "node:fs/promises";
import { once } from "node:events";
import { type Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { type Database } from "@kvs/protocol";
import { formatOf } from "../import/record-source.ts";
import { toJson } from "../json-values.ts";
import {
  CommandFailure,
  type Session,
  callersPath,
  noteIfMissing,
  withDatabase,
} from "../session.ts";

/** Characters gathered before they are written. */
const CHUNK_CHARACTERS: number = 64 << 10;

/**
 * Writes all documents of a collection in the order of their ids: JSON Lines, or one JSON list into
 * a file that ends in `.json`. A file appears under its name when it is complete.
 */
export async function exportCollection(
  session: Session,
  collection: string,
  file: string,
): Promise<void> {
  if (file === "-") {
    await withDatabase(session, (database) =>
      writeDocuments(database, collection, process.stdout, "jsonl"),
    );
    return;
  }
  const format = formatOf(file);
  if (format === "csv") {
    throw new CommandFailure("CSV has no place for lists and objects; export to .jsonl or .json");
  }
  const count = await intoFile(file, (stream) =>
    withDatabase(session, (database) => writeDocuments(database, collection, stream, format)),
  );
  if (session.output.isJson) await session.output.value({ exported: count });
  else await session.output.say(`exported ${count} documents to ${file}`);
}

/** Lets `fill` write a file beside the wanted one, and gives it the name when it is complete. */
async function intoFile<T>(file: string, fill: (stream: Writable) => Promise<T>): Promise<T> {
  const path = callersPath(file);
  const partial = `${path}.partial`;
  const stream = createWriteStream(partial);
  try {
    await once(stream, "open");
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    const message = `${file} cannot be written (${String(code)}); look at the folder and its rights`;
    throw new CommandFailure(message, { cause: error });
  }
  try {
    const result = await fill(stream);
    stream.end();
    await finished(stream);
    await rename(partial, path);
    return result;
  } catch (error) {
    stream.destroy();
    await unlink(partial).catch(() => undefined);
    throw error;
  }
}

async function writeDocuments(
  database: Database,
  collection: string,
  stream: Writable,
  format: "json" | "jsonl",
): Promise<number> {
  const [before, between, after] = format === "json" ? ["[\n", ",\n", "\n]\n"] : ["", "\n", "\n"];
  let count = 0;
  let text = before;
  for await (const document of database.collection(collection).find()) {
    text += `${count === 0 ? "" : between}${toJson(document)}`;
    count++;
    if (text.length < CHUNK_CHARACTERS) continue;
    await write(stream, text);
    text = "";
  }
  if (count === 0) await noteIfMissing(database, collection);
  if (count > 0 || format === "json") await write(stream, text + after);
  return count;
}

/** Waits while the reader is slow; ends with the error of a disk that is full. */
async function write(stream: Writable, text: string): Promise<void> {
  if (!stream.write(text)) await once(stream, "drain");
}
