import { execFile } from "node:child_process";
import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { isRoot, lackOfProgram } from "./requirements.ts";
import { type Mounted, type Sandbox, run } from "./sandbox.ts";
import { type ScenarioResult, skippedBecause } from "./scenario.ts";

/** Sparse: what is written takes place, no more. */
const OUTER_BYTES: number = 8 * 2 ** 30;
const INNER_BYTES: number = 512 << 20;

/** Runs `body` with a disk whose images can be taken. Where none can be made, the result says why. */
export async function withReflinkDisk(
  sandbox: Sandbox,
  body: (disk: ReflinkDisk) => Promise<ScenarioResult>,
): Promise<ScenarioResult> {
  const lack = lackForReflinkDisk();
  if (lack !== undefined) return skippedBecause(lack);
  let disk: ReflinkDisk;
  try {
    disk = ReflinkDisk.create(sandbox);
  } catch (error) {
    return skippedBecause(String(error));
  }
  return body(disk);
}

function lackForReflinkDisk(): string | undefined {
  if (!isRoot()) return "mounts and loop devices need root";
  return lackOfProgram("mkfs.btrfs", "btrfs-progs") ?? lackOfProgram("mkfs.ext4", "e2fsprogs");
}

/** How the disk that the store lies on is made and mounted. */
export interface FileSystem {
  readonly name: string;
  /** The program that makes it, and its Debian package. */
  readonly maker: readonly [program: string, debianPackage: string];
  readonly makerOptions: readonly string[];
  readonly mountOptions: string;
}

const MKFS_EXT4 = { maker: ["mkfs.ext4", "e2fsprogs"], makerOptions: ["-q", "-F"] } as const;

/** What a store is tried on. */
const FILE_SYSTEMS: readonly FileSystem[] = [
  { ...MKFS_EXT4, name: "ext4", mountOptions: "data=ordered" },
  { ...MKFS_EXT4, name: "ext4-writeback", mountOptions: "data=writeback" },
  { ...MKFS_EXT4, name: "ext4-commit-1", mountOptions: "data=ordered,commit=1" },
  { ...MKFS_EXT4, name: "ext4-commit-300", mountOptions: "data=writeback,commit=300" },
  // An image has the id of the disk that it was taken of.
  { name: "xfs", maker: ["mkfs.xfs", "xfsprogs"], makerOptions: ["-q"], mountOptions: "nouuid" },
  {
    name: "btrfs",
    maker: ["mkfs.btrfs", "btrfs-progs"],
    makerOptions: ["--quiet"],
    mountOptions: "defaults",
  },
];

/** Those of them that this machine has, or can be given, the programs for. */
export function availableFileSystems(): readonly FileSystem[] {
  return FILE_SYSTEMS.filter(({ maker }) => lackOfProgram(...maker) === undefined);
}

/**
 * A disk whose content at one moment can be kept, as a power cut would leave it.
 *
 *   a file of the sandbox ── loop ── btrfs ── a file ── loop ── ext4, xfs, btrfs ── the store
 *                                          └─ images: copies of that file that share its blocks
 *
 * The file holds what the file system on it has given to its device so far, and nothing that is
 * only in the system's cache above it. A copy with shared blocks is taken under the file's lock, so it
 * is of one moment between two writes. What it cannot show: a device that loses a cache of its own.
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

  /** Makes a new, empty disk, and mounts it. */
  make(fileSystem: FileSystem): Disk {
    const { maker, makerOptions, mountOptions } = fileSystem;
    const file = makeSparse(join(this.#outer.folder, `disk-${++this.#serial}.img`), INNER_BYTES);
    run(maker[0], ...makerOptions, file);
    return this.#mount(file, mountOptions);
  }

  /** Keeps what the disk holds at this moment. */
  async takeImage(disk: Disk): Promise<string> {
    const image = join(this.#outer.folder, `image-${++this.#serial}.img`);
    await promisify(execFile)("cp", ["--reflink=always", disk.file, image]);
    return image;
  }

  /** Mounts an image, which replays the journal of its file system, as after a power cut. */
  mountImage(image: string, { mountOptions }: FileSystem): Disk {
    return this.#mount(image, mountOptions);
  }

  #mount(file: string, options: string): Disk {
    const loop = this.#sandbox.attachLoop(file);
    const { folder, unmount } = this.#sandbox.mount(
      `disk-${++this.#serial}`,
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
    return { file, folder, remove };
  }
}

/** A mounted file system in a file. */
export interface Disk {
  readonly file: string;
  readonly folder: string;
  /** Unmounts it, and removes the file. */
  readonly remove: () => void;
}

function makeSparse(file: string, sizeBytes: number): string {
  const fd = openSync(file, "wx");
  ftruncateSync(fd, sizeBytes);
  closeSync(fd);
  return file;
}
