import {
  AssertionFailure,
  type Disk,
  type DiskErrorCode,
  type File,
  isKvsError,
  readFullyAt,
} from "@kvs/env";

/** One checkable promise of `Disk`. */
export interface DiskCase {
  readonly name: string;
  /**
   * Throws if the promise is broken.
   *
   * @param directory An empty directory of this case's own.
   * @param otherDisk The same disk as another process sees it, where the environment can give one.
   */
  readonly run: (disk: Disk, directory: string, otherDisk?: Disk) => Promise<void>;
}

/** @throws {AssertionFailure} unless `condition` holds. */
export function check(condition: boolean, promise: string): void {
  if (!condition) throw new AssertionFailure(promise);
}

/** Checks that `call` fails with `code`. */
export async function checkFails(code: DiskErrorCode, call: () => Promise<unknown>): Promise<void> {
  const error = await call().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  check(isKvsError(error, code), `the call fails with ${code}, not ${String(error)}`);
  if (!isKvsError(error)) return;
  check(typeof error.details["path"] === "string", "the error names the path");
  const isRetryable = code === "DISK_FULL" || code === "DISK_TOO_MANY_FILES";
  check(error.retryable === isRetryable, `${code} tells whether a repetition may succeed`);
}

/** Opens a new file, lets `body` use it, and closes it whatever happens. */
export async function withFile(
  disk: Disk,
  path: string,
  body: (file: File) => Promise<void>,
): Promise<void> {
  const file = await disk.open(path, { create: true });
  try {
    await body(file);
  } finally {
    await file.close();
  }
}

/** `length` bytes that differ from their neighbours and from those of another `salt`. */
export function patterned(length: number, salt = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >>> 8) * 7 + salt * 101 + 1) & 255;
  return bytes;
}

/** Checks that the file holds `expected` at `position`. */
export async function checkBytes(
  file: File,
  position: number,
  expected: Uint8Array,
): Promise<void> {
  const actual = new Uint8Array(expected.length).fill(0xee);
  const count = await readFullyAt(file, actual, position);
  check(count === expected.length, `${expected.length} bytes are read, not ${count}`);
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  check(at === -1, `the byte at ${position + at} is what was written`);
}
