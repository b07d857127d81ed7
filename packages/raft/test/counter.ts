import { type EntryBatch, type LogPoint, type StateMachine } from "../src/index.ts";

/** Keeps every command, in order: what replicas must agree on. */
export class ListMachine implements StateMachine {
  readonly items: string[] = [];
  appliedIndex = 0;

  apply(batch: EntryBatch, point: LogPoint): void {
    if (batch.kind === "command") {
      for (let at = 1; at < batch.offsets.length; at++) {
        const bytes = batch.data.subarray(batch.offsets[at - 1], batch.offsets[at]);
        this.items.push(new TextDecoder().decode(bytes));
      }
    }
    this.appliedIndex = point.index;
  }

  snapshot(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify(this.items));
  }

  restore(image: Uint8Array, point: LogPoint): void {
    this.items.length = 0;
    this.items.push(...(JSON.parse(new TextDecoder().decode(image)) as string[]));
    this.appliedIndex = point.index;
  }
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
