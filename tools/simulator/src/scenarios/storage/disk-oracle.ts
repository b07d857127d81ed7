import { type Disk, type Environment, type File } from "@kvs/env";
import { PAGE_BYTES, PAGE_LSN_OFFSET } from "@kvs/pager";
import { InstantWorld, type SimStorage } from "@kvs/sim";
import { Wal } from "@kvs/wal";

/** Writes of pages whose log is looked at more closely in one run. */
const SUSPICIONS_MAX = 400;

/** A page was written; was its log durable? */
interface Suspicion {
  readonly page: number;
  readonly lsn: number;
  /** The least that a power cut would have left at that moment. */
  readonly image: SimStorage;
}

export interface DiskOracleOptions {
  /** The disk as it is now; another after a crash. */
  readonly storage: () => SimStorage;
  readonly pagesPath: string;
  readonly logPath: string;
}

/**
 * Looks over the shoulder of a store at what it gives to its disk.
 *
 * 1. The WAL rule: when a page is written, the log is durable up to its LSN. A power cut at that very
 *    moment would show it, so no luck is needed.
 * 2. A buffer that the disk was given stays as it is until the call is answered.
 */
export class DiskOracle {
  readonly #options: DiskOracleOptions;
  readonly #suspicions: Suspicion[] = [];
  readonly #violations: string[] = [];
  /** The highest LSN of any page that was written, or is to be looked at. */
  #highestLsn = 0;
  #pagesWritten = 0;

  constructor(options: DiskOracleOptions) {
    this.#options = options;
  }

  get pagesWritten(): number {
    return this.#pagesWritten;
  }

  /** The environment with a disk that is watched. */
  watch(environment: Environment): Environment {
    const { disk } = environment;
    const watched: Disk = {
      open: async (path, options) => this.#watchFile(await disk.open(path, options)),
      rename: (from, to) => disk.rename(from, to),
      unlink: (path) => disk.unlink(path),
      list: (directory) => disk.list(directory),
      makeDirectory: (path) => disk.makeDirectory(path),
      removeDirectory: (path) => disk.removeDirectory(path),
      stat: (path) => disk.stat(path),
      syncDirectory: (path) => disk.syncDirectory(path),
      lock: (path) => disk.lock(path),
      space: (path) => disk.space(path),
    };
    return {
      clock: environment.clock,
      random: environment.random,
      disk: watched,
      get network() {
        return environment.network;
      },
      ciphers: environment.ciphers,
      compressors: environment.compressors,
      trace: environment.trace,
      hooks: environment.hooks,
    };
  }

  /** What was wrong, after all pages under suspicion were looked at. */
  async violations(): Promise<readonly string[]> {
    let durableLsn = 0;
    for (const { page, lsn, image } of this.#suspicions.splice(0)) {
      if (lsn <= durableLsn) continue;
      durableLsn = await this.#endOfLog(image);
      if (lsn <= durableLsn) continue;
      this.#violations.push(
        `page ${page} was written with LSN ${lsn}, but the log is durable up to ${durableLsn}`,
      );
    }
    return this.#violations;
  }

  #watchFile(file: File): File {
    return {
      path: file.path,
      size: () => file.size(),
      readAt: (target, position) => file.readAt(target, position),
      readAtSync: (target, position) => file.readAtSync(target, position),
      writeAt: (source, position) =>
        this.#given(file.path, { source, position }, () => file.writeAt(source, position)),
      writeDurableAt: (source, position) =>
        this.#given(file.path, { source, position }, () => file.writeDurableAt(source, position)),
      datasync: () => file.datasync(),
      truncate: (sizeBytes) => file.truncate(sizeBytes),
      allocate: (from, to) => file.allocate(from, to),
      close: () => file.close(),
    };
  }

  async #given<T>(
    path: string,
    write: { readonly source: Uint8Array; readonly position: number },
    call: () => Promise<T>,
  ): Promise<T> {
    const before = hashOf(write.source);
    if (path === this.#options.pagesPath) this.#notePages(write);
    const answer = await call();
    if (hashOf(write.source) !== before && this.#violations.length < SUSPICIONS_MAX) {
      this.#violations.push(`bytes changed while they were written to ${path}`);
    }
    return answer;
  }

  #notePages({
    source,
    position,
  }: {
    readonly source: Uint8Array;
    readonly position: number;
  }): void {
    if (position % PAGE_BYTES !== 0) return; // the rest of a write that was cut short
    const view = new DataView(source.buffer, source.byteOffset, source.length);
    for (let at = 0; at + PAGE_BYTES <= source.length; at += PAGE_BYTES) {
      this.#pagesWritten++;
      const low = view.getUint32(at + PAGE_LSN_OFFSET, true);
      const lsn = view.getUint32(at + PAGE_LSN_OFFSET + 4, true) * 2 ** 32 + low;
      if (lsn <= this.#highestLsn || this.#suspicions.length >= SUSPICIONS_MAX) continue;
      this.#highestLsn = lsn;
      const page = (position + at) / PAGE_BYTES;
      this.#suspicions.push({ page, lsn, image: this.#options.storage().worstCase() });
    }
  }

  /** Where the log ends that a power cut left; 0 if it cannot be opened. */
  async #endOfLog(image: SimStorage): Promise<number> {
    const world = new InstantWorld(image);
    try {
      return await world.run(async (environment) => {
        const wal = await Wal.open(environment, { path: this.#options.logPath });
        return wal.endLsn;
      });
    } catch {
      return 0;
    }
  }
}

function hashOf(bytes: Uint8Array): number {
  let hash = bytes.length;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}
