import { type KeyProvider } from "@kvs/env";
import { open } from "node:fs/promises";
import { masterKeyProvider, unavailable } from "./master-key-provider.ts";

/** A file of master keys has a few lines. */
const FILE_BYTES_MAX: number = 64 << 10;
/** Rights of everybody who is neither owner nor of the file's group. */
const RIGHTS_OF_OTHERS = 0o007;

/**
 * Master keys from a text file: a name and 32 bytes in base64 on each line, the newest last.
 * `kvsctl keys new` prints such a line. Keep old lines as long as data are sealed under them.
 *
 * The file is read for every call. One that others on this machine may read is refused.
 *
 * @param path From the current directory, or absolute.
 */
export function fileKeyProvider(path: string): KeyProvider {
  const name = `the key file ${path}`;
  return masterKeyProvider({ name, read: () => readKeyFile(path, name) });
}

async function readKeyFile(path: string, name: string): Promise<string> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw unavailable(name, `cannot be read (${error.code ?? "unknown"})`, { path });
  });
  try {
    const { mode, size } = await file.stat();
    const isOpenToOthers = process.platform !== "win32" && (mode & RIGHTS_OF_OTHERS) !== 0;
    if (isOpenToOthers) {
      const what = "is open to every user of this machine; run: chmod 600 on it";
      throw unavailable(name, what, { path, mode: (mode & 0o777).toString(8) });
    }
    if (size > FILE_BYTES_MAX) throw unavailable(name, "is too long to be a key file", { path });
    return await file.readFile("utf8").catch((error: NodeJS.ErrnoException) => {
      throw unavailable(name, `cannot be read (${error.code ?? "unknown"})`, { path });
    });
  } finally {
    await file.close();
  }
}
