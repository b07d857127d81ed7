import { AbstractSnapshot } from "abstract-level";
import { type Snapshot } from "@kvs/txn";

/** Options of `snapshot()`: who closes it when it closes itself. */
export interface SnapshotOptions {
  readonly owner: object;
}

/** A view of the store at one moment. As long as it is open, the values that it sees are kept. */
export class StoreSnapshot extends AbstractSnapshot {
  /** What the store reads by. */
  readonly view: Snapshot;

  constructor(options: SnapshotOptions, view: Snapshot) {
    super(...([options] as unknown as [])); // its types leave the parameter out
    this.view = view;
  }

  /** Called by `close`, once nothing reads from it any more. */
  _close(): Promise<void> {
    this.view.close();
    return Promise.resolve();
  }
}
