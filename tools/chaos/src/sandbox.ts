import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Tries to take a mount down while a process that was just killed still has files open in it. */
const UNMOUNT_TRIES = 20;
const UNMOUNT_PAUSE_S = "0.1";

/**
 * A folder of its own, with what is mounted in it. All of it goes when it is cleaned, and when the
 * process exits, whatever the reason: undoing is synchronous, last thing first.
 */
export class Sandbox {
  readonly folder: string;
  readonly #undo: (() => void)[] = [];
  readonly #cleanAtExit = (): void => this.clean();

  private constructor(folder: string) {
    this.folder = folder;
    process.on("exit", this.#cleanAtExit);
  }

  static create(): Sandbox {
    return new Sandbox(mkdtempSync(join(tmpdir(), "kvs-chaos-")));
  }

  /** Makes a folder below this one. */
  makeFolder(name: string): string {
    const folder = join(this.folder, name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /**
   * Runs `undo` when the sandbox is cleaned, before what was noted earlier.
   *
   * @returns Runs it now, and no more later.
   */
  later(undo: () => void): () => void {
    this.#undo.push(undo);
    return () => {
      const at = this.#undo.indexOf(undo);
      if (at < 0) return;
      this.#undo.splice(at, 1);
      undo();
    };
  }

  /**
   * Mounts something on a folder below this one. Needs root.
   *
   * @returns The folder, and what takes the mount down.
   * @throws If the system refuses.
   */
  mount(name: string, ...parameters: readonly string[]): Mounted {
    const folder = this.makeFolder(name);
    run("mount", ...parameters, folder);
    return { folder, unmount: this.later(() => unmount(folder)) };
  }

  /**
   * Makes a block device of a file. Needs root.
   *
   * @returns The device's path, and what gives it back.
   */
  attachLoop(file: string): { readonly device: string; readonly detach: () => void } {
    const device = run("losetup", "--find", "--show", file).trim();
    return { device, detach: this.later(() => void tryRun("losetup", "--detach", device)) };
  }

  /** Undoes everything. A second call does nothing. */
  clean(): void {
    process.off("exit", this.#cleanAtExit);
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) undo();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface Mounted {
  readonly folder: string;
  readonly unmount: () => void;
}

/**
 * Runs a program to its end.
 *
 * @returns What it printed.
 * @throws If it fails, with what it complained about.
 */
export function run(program: string, ...parameters: readonly string[]): string {
  const result = spawnSync(program, parameters, { encoding: "utf8" });
  if (result.status === 0) return result.stdout;
  const complaint = result.error?.message ?? result.stderr.trim();
  throw new Error(`${program} ${parameters.join(" ")}: ${complaint}`);
}

/** Runs a program, and tells whether it ended well. */
export function tryRun(program: string, ...parameters: readonly string[]): boolean {
  return spawnSync(program, parameters, { stdio: "ignore" }).status === 0;
}

function unmount(folder: string): void {
  for (let tries = 0; tries < UNMOUNT_TRIES; tries++) {
    if (tryRun("umount", folder)) return;
    tryRun("sleep", UNMOUNT_PAUSE_S);
  }
  tryRun("umount", "--lazy", folder);
}
