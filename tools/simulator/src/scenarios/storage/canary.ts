import { type SimStorage } from "@kvs/sim";
import { type StoreOptions } from "@kvs/txn";
import { StorageViolation } from "./audit.ts";

/** Bytes that every value of some length holds: nobody may read them on a sealed disk. */
export const CANARY: Uint8Array = Buffer.from("KVSbird!");

/** Whether the canary is in these bytes. */
export function hasCanary(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(Buffer.from(CANARY));
}

/** The path of a file in which the canary is heard, if there is one. */
export function findCanary(storage: SimStorage): string | undefined {
  return storage.files().find((path) => hasCanary(storage.readFile(path)));
}

/**
 * Listens at every file of a disk, if the store on it is sealed.
 *
 * @throws {StorageViolation} if the canary is heard.
 */
export function requireSilence(storage: SimStorage, { encryption }: StoreOptions): void {
  if (encryption === undefined) return;
  const path = findCanary(storage);
  if (path === undefined) return;
  throw new StorageViolation(`a value of a sealed store stands readable in ${path}`);
}
