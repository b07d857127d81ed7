/**
 * Duties 4 and 7: images of the state. Makes them for peers that lag and for the log to be cut, and takes
 * in those that arrive.
 *
 *   own       state machine ──snapshot()──▶ image ──save──▶ durable ──▶ the log may be cut up to it
 *   arriving  pieces ──▶ whole ──checksum──▶ state machine ──restore()──▶ durable ──▶ the core goes on
 *
 * The image that was made last stays in memory while peers may ask for pieces of it.
 */
import { concatBytes, crc32 } from "@kvs/codec";
import { assert } from "@kvs/env";

import { type LogIndex } from "../core/ids.ts";
import { type LogPoint } from "../core/log-store.ts";
import { type SnapshotMetadata } from "../core/message.ts";
import { type ReceivedChunk } from "../core/ready.ts";
import { type Applier } from "./applier.ts";
import { type DriverSabotage } from "./driver-mutants.ts";
import { type SnapshotStore } from "./snapshot-store.ts";
import { type StateMachine } from "./state-machine.ts";

/** The longest image that is taken in: it is held in memory. */
const IMAGE_MAX_BYTES: number = 1 << 30;

export interface SnapshotParts {
  readonly machine: StateMachine;
  readonly applier: Applier;
  readonly store: SnapshotStore;
  readonly sabotage: DriverSabotage;
}

export interface TakenSnapshot {
  readonly index: LogIndex;
  readonly sizeBytes: number;
  readonly checksum: number;
}

export class Snapshots {
  readonly #parts: SnapshotParts;
  /** Up to here the state survives a crash. */
  #durableIndex: LogIndex;
  #made: { readonly index: LogIndex; readonly image: Uint8Array } | undefined;
  #isMaking = false;
  #pieces: Uint8Array[] = [];
  #piecesOf: SnapshotMetadata | undefined;
  #piecesBytes = 0;

  constructor(parts: SnapshotParts, durableIndex: LogIndex) {
    this.#parts = parts;
    this.#durableIndex = durableIndex;
  }

  /** The last entry whose effect survives a crash: the log may be cut up to it. */
  get durableIndex(): LogIndex {
    const { machine, sabotage, applier } = this.#parts;
    if (sabotage["raft.driver.compact-before-save"]) return applier.point.index;
    if (machine.durablePoint === undefined) return this.#durableIndex;
    return machine.durablePoint()?.index ?? 0;
  }

  /** Makes an image, unless one is being made. Resolves with `undefined` then. */
  async make(): Promise<TakenSnapshot | undefined> {
    if (this.#isMaking) return undefined;
    this.#isMaking = true;
    try {
      return await this.#parts.applier.exclusively((point) => this.#make(point));
    } finally {
      this.#isMaking = false;
    }
  }

  /** A piece of the image that was made, if it is still that one. */
  piece(index: LogIndex, offset: number, length: number): Uint8Array | undefined {
    if (this.#made?.index !== index) return undefined;
    return this.#made.image.subarray(offset, offset + length);
  }

  /** A piece arrived. An image that is too long is not kept; it will turn out to be bad. */
  receive({ snapshot, offset, data }: ReceivedChunk): void {
    if (offset === 0) {
      this.#pieces = [];
      this.#piecesBytes = 0;
      this.#piecesOf = snapshot;
    }
    assert(this.#piecesOf?.index === snapshot.index, "an image begins with its first piece");
    if (this.#piecesBytes + data.length > IMAGE_MAX_BYTES) return;
    this.#pieces.push(data);
    this.#piecesBytes += data.length;
  }

  /** Makes an image that arrived the state of this replica. Returns whether it is a good one. */
  async install(snapshot: SnapshotMetadata): Promise<boolean> {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#piecesOf = undefined;
    const image = concatBytes(pieces);
    const isTrusted = this.#parts.sabotage["raft.driver.trust-image"];
    if (image.length !== snapshot.sizeBytes && !isTrusted) return false;
    if (crc32(image) !== snapshot.checksum && !isTrusted) return false;
    const { index, term, configuration } = snapshot;
    const point = { index, term, configuration };
    await this.#parts.applier.exclusively(() => this.#install(point, image));
    return true;
  }

  async #make(point: LogPoint): Promise<TakenSnapshot | undefined> {
    if (point.index === 0) return undefined;
    const { machine, store } = this.#parts;
    const image = await machine.snapshot();
    if (machine.durablePoint === undefined) {
      await store.save({ point, image });
      this.#durableIndex = point.index;
    }
    this.#made = { index: point.index, image };
    return { index: point.index, sizeBytes: image.length, checksum: crc32(image) };
  }

  async #install(point: LogPoint, image: Uint8Array): Promise<void> {
    const { machine, store, applier } = this.#parts;
    await machine.restore(image, point);
    if (machine.durablePoint === undefined) {
      await store.save({ point, image });
      this.#durableIndex = point.index;
    }
    applier.replaced(point);
  }
}
