import { type ByteWriter } from "@kvs/codec";
import { type Frame, type PageId, type PageView, type Run } from "@kvs/pager";

/**
 * How a tree changes pages: one mini-transaction after another, each of which happens whole or not
 * at all. Whoever owns the log implements it.
 *
 * Each mini-transaction has two phases.
 *
 * 1. Gather. The tree names every page it will change (`need`, `allocate`, `allocateRun`,
 *    `needBits`). What is missing is thrown as a `PageMiss`; nothing has changed, and the attempt
 *    starts again when the page is there.
 * 2. Mutate, from `begin` to `end`, in one go. Nothing may throw any more: half-changed pages must
 *    never reach the disk, so whatever throws here poisons the store.
 *
 * Every changed page is either changed by ops alone, or declared with `image`, not both.
 */
export interface PageWriter {
  /** The largest run that `allocateRun` gives: what frames and log records allow at once. */
  readonly runPagesMax: number;

  /**
   * Points `view` at a resident page that will be changed or read in this mini-transaction.
   *
   * @throws {PageMiss}
   */
  need(id: PageId, view: PageView): Frame;
  /**
   * Picks a free page, with its bitmap page and a frame for it at hand. It becomes used in `begin`;
   * an attempt that does not get that far changes nothing.
   *
   * @throws {PageMiss}; {KvsError} `DISK_FULL` if the file cannot grow.
   */
  allocate(): PageId;
  /** Picks 1 to `countMax` free pages in a row, as `allocate` does one. */
  allocateRun(countMax: number): Run<PageId>;
  /** Makes sure that `free` of this run can change its bitmap page. */
  needBits(run: Run<PageId>): void;

  /** Begins the mutation. */
  begin(undo: UndoKind): void;
  /** Where to write the next op; follow with `apply`. Valid until then. */
  readonly ops: ByteWriter;
  /** Executes the op just written on the page in this frame. */
  apply(frame: Frame): void;
  /** Gives an allocated page its frame, all zeros, to be filled directly; implies `image`. */
  create(id: PageId, view: PageView): Frame;
  /** Declares that the page in this frame is changed directly, not by ops. */
  image(frame: Frame): void;
  /** Gives pages back. Their content is void from here on. */
  free(run: Run<PageId>): void;
  /** Ends the mini-transaction and hands it to the log. */
  end(): void;
}

/**
 * What takes a mini-transaction back, if the batch it belongs to does not commit.
 *
 * - `row`: removing the row of the operation under way, if it is there.
 * - `pages`: giving back the pages allocated.
 * - `none`: nothing: splits, merges and removals of what nobody can read stay.
 */
export type UndoKind = "row" | "pages" | "none";

/** What reading needs: pages that are resident, or a `PageMiss`. */
export interface PageReader {
  /**
   * Points `view` at the page, and notes that it was used.
   *
   * @throws {PageMiss}
   */
  fetch(id: PageId, view: PageView): Frame;
}
