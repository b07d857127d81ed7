import { type Environment } from "@kvs/env";
import { type BatchQueue } from "./batch-queue.ts";
import { type Checkpointer } from "./checkpoint.ts";
import { HotCopy, type HotCopyOptions } from "./hot-copy.ts";
import { KeyRotation, type RotatedKeys } from "./key-ring-rotation.ts";
import { type KeyInfo } from "./key-ring.ts";
import { type OpenedEngine } from "./open-store.ts";
import { PageRewriter } from "./page-rewriter.ts";
import { storePaths } from "./store-paths.ts";
import { notEncrypted } from "./txn-error.ts";

export interface StoreCustodyParts {
  readonly environment: Environment;
  readonly engine: OpenedEngine;
  /** The store's directory. */
  readonly path: string;
  readonly queue: BatchQueue;
  readonly checkpointer: Checkpointer;
  /** @throws {KvsError} once the store is closed. */
  readonly requireOpen: () => void;
}

/** What concerns the data as a whole, beside reading and writing: copies of them, and their keys. */
export class StoreCustody {
  readonly #parts: StoreCustodyParts;
  readonly #rewriter: PageRewriter;
  readonly #rotation: KeyRotation | undefined;

  constructor(parts: StoreCustodyParts) {
    const { environment, engine, queue, checkpointer, requireOpen } = parts;
    const { pager, wal, mini, guard, holds, keys: ring } = engine;
    this.#parts = parts;
    this.#rewriter = new PageRewriter({ pager, wal, mini, guard, queue });
    if (ring === undefined) return;
    const rewriter = this.#rewriter;
    const rotating = { environment, ring, pager, wal, checkpointer, rewriter, holds, requireOpen };
    this.#rotation = new KeyRotation(rotating);
  }

  /** @see Store.hotCopy */
  hotCopy(options: HotCopyOptions): HotCopy {
    const { environment, engine, path, checkpointer, requireOpen } = this.#parts;
    const rewriter = this.#rewriter;
    const { pages: pagesPath } = storePaths(path);
    return new HotCopy(
      { ...engine, environment, pagesPath, checkpointer, rewriter, requireOpen },
      options,
    );
  }

  /** @see Store.keys */
  keys(): readonly KeyInfo[] {
    return this.#parts.engine.keys?.keys() ?? [];
  }

  /** @see Store.rotateKeys */
  async rotateKeys(): Promise<RotatedKeys> {
    if (this.#rotation === undefined) throw notEncrypted();
    return this.#rotation.rotate();
  }

  /** @see Store.rewrapKeys */
  async rewrapKeys(): Promise<number> {
    const { keys } = this.#parts.engine;
    if (keys === undefined) throw notEncrypted();
    return keys.rewrap();
  }

  /** The store is complete: from now on no plain page belongs to it. */
  async noteCreated(): Promise<void> {
    await this.#parts.engine.keys?.markRewritten([]);
  }

  /** Goes on, in the background, with a rotation of keys that a crash stopped. */
  start(): void {
    const { environment, requireOpen } = this.#parts;
    this.#rotation?.resume().catch((error: unknown) => {
      try {
        requireOpen();
      } catch {
        return; // the next open goes on
      }
      const fields = { error: String(error) };
      environment.trace.event("warn", "txn.keys", "a rotation of keys could not go on", fields);
    });
  }

  /** Waits for a rotation under way, which ends by itself once the store closes. */
  async stop(): Promise<void> {
    await this.#rotation?.idle();
  }
}
