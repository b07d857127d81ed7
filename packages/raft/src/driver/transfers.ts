import { type NodeId } from "../core/ids.ts";
import { type RaftCore } from "../core/raft-core.ts";
import { transferFailed } from "./driver-error.ts";

interface Transfer {
  readonly to: NodeId;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Who waits for leadership to pass to another node. */
export class Transfers {
  #current: Transfer | undefined;

  /** A later transfer takes the place of an earlier one. */
  begin(to: NodeId, resolve: () => void, reject: (error: unknown) => void): void {
    this.#current?.reject(transferFailed(this.#current.to));
    this.#current = { to, resolve, reject };
  }

  /** Looks who leads now. */
  watch({ leader, state }: RaftCore): void {
    const transfer = this.#current;
    if (transfer === undefined || leader === undefined) return;
    if (leader !== transfer.to && state.leading?.transfer?.to === transfer.to) return;
    this.#current = undefined;
    if (leader === transfer.to) transfer.resolve();
    else transfer.reject(transferFailed(transfer.to));
  }

  abort(error: unknown): void {
    this.#current?.reject(error);
    this.#current = undefined;
  }
}
