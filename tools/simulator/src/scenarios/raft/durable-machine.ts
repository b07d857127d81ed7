import { type Environment, Mutex } from "@kvs/env";
import { DiskSnapshotStore, type EntryBatch, type LogPoint } from "@kvs/raft";
import { type MachineWitness, RegisterMachine } from "./register-machine.ts";

/** Entries between two saves, at least. */
const SAVE_ENTRIES = 7;

/**
 * Registers that survive crashes by themselves, as a storage engine does whose log is synced when it
 * likes: later than the Raft log, with the applied index beside the effects.
 */
export class DurableMachine extends RegisterMachine {
  readonly #told: MachineWitness;
  readonly #file: DiskSnapshotStore;
  readonly #saving = new Mutex();
  #durable: LogPoint | undefined;
  #point: LogPoint | undefined;
  #failure: { readonly error: unknown } | undefined;

  private constructor(witness: MachineWitness, file: DiskSnapshotStore) {
    super(witness);
    this.#told = witness;
    this.#file = file;
  }

  /** Loads what survived. */
  static async open(
    environment: Environment,
    path: string,
    witness: MachineWitness,
  ): Promise<DurableMachine> {
    const file = new DiskSnapshotStore(environment, path);
    const machine = new DurableMachine(witness, file);
    const stored = await file.load();
    if (stored === undefined) return machine;
    machine.load(stored.image);
    machine.#durable = stored.point;
    witness.restored(stored.point, machine.hash);
    return machine;
  }

  durablePoint(): LogPoint | undefined {
    return this.#durable;
  }

  override apply(batch: EntryBatch, point: LogPoint): void {
    // An engine that lost its disk stops its replica at the next entry.
    if (this.#failure !== undefined) throw this.#failure.error;
    super.apply(batch, point);
    this.#point = point;
    if (point.index - (this.#durable?.index ?? 0) >= SAVE_ENTRIES && !this.#saving.isHeld) {
      void this.#saveLater();
    }
  }

  override async restore(image: Uint8Array, point: LogPoint): Promise<void> {
    const loaded = super.restore(image, point);
    this.#point = point; // at once: a save under way sees both or neither
    await loaded;
    await this.#saving.run(() => this.#save(point, image));
  }

  async #saveLater(): Promise<void> {
    try {
      await this.#saving.run(() => this.#save(this.#point!, this.encode()));
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  async #save(point: LogPoint, image: Uint8Array): Promise<void> {
    if (point.index <= (this.#durable?.index ?? 0)) return;
    await this.#file.save({ point, image });
    this.#durable = point;
    this.#told.durable(point.index);
  }
}
