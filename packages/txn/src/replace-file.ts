import { type Environment, writeFullyAt } from "@kvs/env";

/** What has the file's new content until it takes the file's place. */
const NEW_SUFFIX = ".new";

/**
 * Gives a small file new content, durably: written under another name, synced, renamed. After a crash
 * the file is the old one or the new one, whole.
 *
 * @param directory The directory that holds `path`.
 * @throws {KvsError} of the disk: the file is then the old one or the new one.
 */
export async function replaceFile(
  environment: Environment,
  directory: string,
  path: string,
  content: Uint8Array,
): Promise<void> {
  const { disk, hooks } = environment;
  const skipsSync = hooks.hasMutant("txn.keyring-no-sync");
  const newPath = `${path}${NEW_SUFFIX}`;
  const file = await disk.open(newPath, { create: true });
  try {
    await file.truncate(0); // a crash may have left one
    await writeFullyAt(file, content, 0);
    if (!skipsSync) await file.datasync();
  } finally {
    await file.close();
  }
  await disk.rename(newPath, path);
  if (!skipsSync) await disk.syncDirectory(directory);
}
