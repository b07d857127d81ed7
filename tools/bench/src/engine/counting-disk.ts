import { type Disk, type File, type OpenOptions } from "@kvs/env";

/** What the disk writes at least. */
const BLOCK_BYTES = 4096;

/** How much was written, in whole blocks of 4 KB: those that each write touched. */
export class WriteCounter {
  #blocks = 0;

  get bytes(): number {
    return this.#blocks * BLOCK_BYTES;
  }

  note(position: number, length: number): void {
    if (length === 0) return;
    const first = Math.floor(position / BLOCK_BYTES);
    const last = Math.floor((position + length - 1) / BLOCK_BYTES);
    this.#blocks += last - first + 1;
  }
}

/**
 * A disk that counts what is written to its files. The kernel's own count for a process is of no use
 * here: it takes a page cache's large folio for written as soon as one byte of it changed.
 */
export function countingDisk(disk: Disk, counter: WriteCounter): Disk {
  return withMethods(disk, {
    open: async (path: string, options?: OpenOptions): Promise<File> =>
      countingFile(await disk.open(path, options), counter),
  });
}

function countingFile(file: File, counter: WriteCounter): File {
  return withMethods(file, {
    writeAt: async (source: Uint8Array, position: number): Promise<number> => {
      const count = await file.writeAt(source, position);
      counter.note(position, count);
      return count;
    },
    writeDurableAt: async (source: Uint8Array, position: number): Promise<void> => {
      await file.writeDurableAt(source, position);
      counter.note(position, source.length);
    },
    allocate: async (from: number, to: number): Promise<void> => {
      await file.allocate(from, to);
      counter.note(from, to - from);
    },
  });
}

/** The same object, but for these methods. */
function withMethods<T extends object>(object: T, methods: Partial<T>): T {
  return new Proxy(object, {
    get: (target, name) => {
      const own: unknown = Reflect.get(methods, name);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
