import { countOf, type EntryBatch, type StateMachine } from "@kvs/raft";

/** The cheapest state there is: how many commands it was given. Measures are of Raft, not of a state. */
export class CountingMachine implements StateMachine {
  count = 0;

  apply(batch: EntryBatch): void {
    if (batch.kind === "command") this.count += countOf(batch);
  }

  snapshot(): Uint8Array {
    return new TextEncoder().encode(String(this.count));
  }

  restore(image: Uint8Array): void {
    this.count = Number(new TextDecoder().decode(image));
  }
}
