import { createWriteStream } from "node:fs";
import { rename, unlink } from "node:fs/promises";
import { once } from "node:events";
import { finished } from "node:stream/promises";
import { toJson } from "../json-values.ts";
import { type Session, callersPath, withDatabase } from "../session.ts";

/** Characters gathered before they are written. */
const CHUNK_CHARACTERS: number = 64 << 10;

/**
 * Writes all documents of a collection as JSON Lines, in the order of their ids. A file appears under
 * its name when it is complete.
 */
export async function exportCollection(
  session: Session,
  collection: string,
  file: string,
): Promise<void> {
  const isFile = file !== "-";
  const path = callersPath(file);
  const partial = `${path}.partial`;
  const stream = isFile ? createWriteStream(partial) : process.stdout;
  let count = 0;
  try {
    if (isFile) await once(stream, "open");
    await withDatabase(session, async (database) => {
      let text = "";
      for await (const document of database.collection(collection).find()) {
        text += `${toJson(document)}\n`;
        count++;
        if (text.length < CHUNK_CHARACTERS) continue;
        if (!stream.write(text)) await once(stream, "drain");
        text = "";
      }
      if (text !== "" && !stream.write(text)) await once(stream, "drain");
    });
    if (!isFile) return;
    stream.end();
    await finished(stream);
    await rename(partial, path);
  } catch (error) {
    if (isFile) await unlink(partial).catch(() => undefined);
    throw error;
  }
  if (session.output.isJson) await session.output.value({ exported: count });
  else session.output.say(`exported ${count} documents to ${file}`);
}
