import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Mounted, type Sandbox } from "./sandbox.ts";

const SIZE_BYTES: number = 24 << 20;
const BALLAST_BYTES: number = 6 << 20;
const CHUNK_BYTES: number = 64 << 10;
const PAGE_BYTES = 4096;

/** A small file system in memory, which other files than the store's can fill. */
export class FullDisk {
  readonly #mounted: Mounted;

  private constructor(mounted: Mounted) {
    this.#mounted = mounted;
  }

  /** @throws If the system refuses the mount. */
  static create(sandbox: Sandbox, number: number): FullDisk {
    const options = ["-t", "tmpfs", "-o", `size=${SIZE_BYTES}`, "tmpfs"];
    return new FullDisk(sandbox.mount(`full-${number}`, ...options));
  }

  path(name: string): string {
    return join(this.#mounted.folder, name);
  }

  /** Takes a part of the space, to be given back later. */
  addBallast(): void {
    this.#write("ballast", BALLAST_BYTES);
  }

  /** Takes every free byte. */
  takeAllSpace(): void {
    this.#write("filling", SIZE_BYTES);
  }

  /** Removes what is not the store's. */
  giveAllSpaceBack(): void {
    for (const name of ["ballast", "filling"]) rmSync(this.path(name), { force: true });
  }

  remove(): void {
    this.#mounted.unmount();
  }

  /** Writes so many bytes, or as many as there is room for. */
  #write(name: string, sizeBytes: number): void {
    const fd = openSync(this.path(name), "a");
    try {
      let written = writeSome(fd, CHUNK_BYTES, sizeBytes);
      written += writeSome(fd, PAGE_BYTES, sizeBytes - written);
    } finally {
      closeSync(fd);
    }
  }
}

/** @returns Bytes written before the disk was full. */
function writeSome(fd: number, chunkBytes: number, sizeBytes: number): number {
  const chunk = new Uint8Array(chunkBytes).fill(1);
  let written = 0;
  while (written < sizeBytes) {
    try {
      written += writeSync(fd, chunk, 0, Math.min(chunkBytes, sizeBytes - written));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOSPC") break;
      throw error;
    }
  }
  return written;
}
