/** A change of the names in one directory that survives whole or not at all. */
export interface NameChange {
  readonly sequence: number;
  /** Name and the number of what it names from now on; `undefined` removes it. */
  readonly names: readonly (readonly [name: string, id: number | undefined])[];
}

/** The names in one directory: as readers see them, as stored for certain, and what lies between. */
export class DirectoryState {
  readonly id: number;
  entries: Map<string, number> = new Map();
  durable: Map<string, number> = new Map();
  pending: NameChange[] = [];

  constructor(id: number) {
    this.id = id;
  }

  clone(): DirectoryState {
    const copy = new DirectoryState(this.id);
    copy.entries = new Map(this.entries);
    copy.durable = new Map(this.durable);
    copy.pending = this.pending.slice();
    return copy;
  }

  /** What is certainly stored, with nothing pending. */
  cloneDurable(): DirectoryState {
    const copy = new DirectoryState(this.id);
    copy.durable = new Map(this.durable);
    return copy;
  }

  /** Stores every change up to and including this sequence number. */
  sync(upTo: number): void {
    this.syncSome((change) => (change.sequence <= upTo ? "store" : "keep"));
  }

  /** Decides for each pending change, in order: stored, lost for good, or still pending. */
  syncSome(decide: (change: NameChange) => "store" | "lose" | "keep"): void {
    this.pending = this.pending.filter((change) => {
      const decision = decide(change);
      if (decision === "store") applyNames(this.durable, change);
      return decision === "keep";
    });
  }
}

/** Puts a change into a map of names. */
export function applyNames(entries: Map<string, number>, change: NameChange): void {
  for (const [name, id] of change.names) {
    if (id === undefined) entries.delete(name);
    else entries.set(name, id);
  }
}
