import { execFile } from "node:child_process";
import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { isRoot, lackOfProgram } from "./requirements.ts";
import { type Mounted, type Sandbox, run } from "./sandbox.ts";

/** Sparse: what is written takes place, no more. */
const OUTER_BYTES: number = 8 * 2 ** 30;
const INNER_BYTES: number = 512 << 20;

/** Why disks of this kind cannot be made here, or `undefined` if they can. */
export function lackForReflinkDisk(): string | undefined {
  if (!isRoot()) return "mounts and loop devices need root";
  return lackOfProgram("mkfs.btrfs", "btrfs-progs") ?? lackOfProgram("mkfs.ext4", "e2fsprogs");
}

/**
 * A disk with ext4 whose content at one moment can be kept, as a power cut would leave it.
 *
 *   a file of the sandbox ── loop ── btrfs ── a file ── loop ── ext4 ── the store
 *                                          └─ images: copies of that file that share its blocks
 *
 * The file holds what ext4 has given to its device so far, and nothing that is only in the cache of
 * the system above it. A copy with shared blocks is taken under the file's lock, so it is of one
 * moment between two writes. What it cannot show: a device with a cache of its own that it loses.
 */
export class ReflinkDisk {
  readonly #sandbox: Sandbox;
  readonly #outer: Mounted;
  #serial = 0;

  private constructor(sandbox: Sandbox, outer: Mounted) {
    this.#sandbox = sandbox;
    this.#outer = outer;
  }

  /** @throws If the system refuses one of the mounts. */
  static create(sandbox: Sandbox): ReflinkDisk {
    const file = makeSparse(join(sandbox.folder, "btrfs.img"), OUTER_BYTES);
    run("mkfs.btrfs", "--quiet", file);
    const { device } = sandbox.attachLoop(file);
    return new ReflinkDisk(sandbox, sandbox.mount("btrfs", "-o", "noatime,nobarrier", device));
  }

  /** Makes a new, empty file system, mounted with these options. */
  makeExt4(options: string): Ext4 {
    const file = makeSparse(join(this.#outer.folder, `disk-${++this.#serial}.img`), INNER_BYTES);
    run("mkfs.ext4", "-q", "-F", file);
    return this.#mount(file, options);
  }

  /** Keeps what the disk holds at this moment. */
  async takeImage(disk: Ext4): Promise<string> {
    const image = join(this.#outer.folder, `image-${++this.#serial}.img`);
    await promisify(execFile)("cp", ["--reflink=always", disk.file, image]);
    return image;
  }

  /** Mounts an image, which replays the journal of its file system, as after a power cut. */
  mountImage(image: string): Ext4 {
    return this.#mount(image, "data=ordered");
  }

  #mount(file: string, options: string): Ext4 {
    const loop = this.#sandbox.attachLoop(file);
    const { folder, unmount } = this.#sandbox.mount(
      `ext4-${++this.#serial}`,
      "-o",
      options,
      loop.device,
    );
    const remove = (): void => {
      unmount();
      loop.detach();
      rmSync(folder, { recursive: true });
      rmSync(file);
    };
    const takeDown = (): void => {
      unmount();
      loop.detach();
    };
    return { file, folder, takeDown, remove };
  }
}

/** A mounted file system in a file. */
export interface Ext4 {
  readonly file: string;
  readonly folder: string;
  /** Unmounts it; the file stays. */
  readonly takeDown: () => void;
  /** Unmounts it, and removes the file. */
  readonly remove: () => void;
}

function makeSparse(file: string, sizeBytes: number): string {
  const fd = openSync(file, "wx");
  ftruncateSync(fd, sizeBytes);
  closeSync(fd);
  return file;
}
