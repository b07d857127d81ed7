import { KvsError } from "@kvs/env";
import { expect, test } from "vitest";
import { diskError, errnoOf, fromSystemError } from "../src/disk-error.ts";

const fault = { operation: "write", path: "a/b", outcome: "unknown" as const };
const system = (code: string): Error => Object.assign(new Error(`${code}: failed`), { code });

test.each([
  ["ENOENT", "DISK_NOT_FOUND", false],
  ["ENOTDIR", "DISK_NOT_FOUND", false],
  ["EEXIST", "DISK_EXISTS", false],
  ["EACCES", "DISK_DENIED", false],
  ["EPERM", "DISK_DENIED", false],
  ["ENOSPC", "DISK_FULL", true],
  ["EDQUOT", "DISK_FULL", true],
  ["EROFS", "DISK_READ_ONLY", false],
  ["EMFILE", "DISK_TOO_MANY_FILES", true],
  ["ENFILE", "DISK_TOO_MANY_FILES", true],
  ["ENOTEMPTY", "DISK_NOT_EMPTY", false],
  ["EIO", "DISK_IO", false],
  ["ESTALE", "DISK_IO", false],
])("%s becomes %s", (errno, code, retryable) => {
  const cause = system(errno);
  expect(fromSystemError(cause, fault)).toMatchObject({
    code,
    retryable,
    outcome: "unknown",
    details: { path: "a/b", operation: "write", errno },
    cause,
  });
});

test("an error of the disk stays as it is, and is no system's error", () => {
  const error = diskError("DISK_CLOSED", fault);
  expect(fromSystemError(error, fault)).toBe(error);
  expect(errnoOf(error)).toBe(undefined);
  expect(errnoOf(new KvsError("EIO", "a code that looks like one", { outcome: "none" }))).toBe(
    undefined,
  );
  expect(errnoOf("EIO")).toBe(undefined);
  expect(errnoOf(system("EIO"))).toBe("EIO");
});
