import { assert, type Random } from "@kvs/env";

import { type Configuration } from "../src/core/configuration.ts";
import { describeConfiguration, describeState } from "../src/core/describe.ts";
import { type EntryBatch, lastIndexOf, payloadAt } from "../src/core/entry.ts";
import { type DamagedRange, type EntryReader, type LogPoint } from "../src/core/log-store.ts";
import { type Message, type SnapshotMetadata } from "../src/core/message.ts";
import { RaftCore } from "../src/core/raft-core.ts";
import { type RaftOptions } from "../src/core/raft-options.ts";
import { type Ready, type WantedChunk } from "../src/core/ready.ts";
import { decodeConfiguration } from "../src/core/configuration-codec.ts";
import { type MemoryLogStore } from "../src/memory-log-store.ts";
import { decodeImage, encodeImage, foldEntry, INITIAL_HASH, simpleChecksum } from "./image.ts";

/** What a replica tells those who watch it. */
export interface ReplicaEvents {
  send(message: Message): void;
  applied(replica: Replica, index: number, batch: EntryBatch): void;
  restored(replica: Replica, index: number): void;
  read(replica: Replica, context: number, index: number): void;
  readFailed(replica: Replica, context: number): void;
  ready(replica: Replica, ready: Ready): void;
}

/** A state machine that remembers all it was given in one number. */
export interface AppState {
  readonly index: number;
  readonly term: number;
  readonly hash: number;
  readonly configuration: Configuration;
}

export interface ReplicaOptions {
  readonly id: number;
  readonly store: MemoryLogStore;
  readonly events: ReplicaEvents;
  readonly random: Random;
  readonly core?: Partial<RaftOptions>;
  /** The state grows with the index by so many bytes, so that images have several pieces. */
  readonly imageBytes?: number;
}

/** A driver on a simulated disk: does what ready.ts asks, and loses on a crash what is not synced. */
export class Replica {
  readonly id: number;
  readonly store: MemoryLogStore;
  readonly #options: ReplicaOptions;
  core: RaftCore;
  isUp = true;
  /** Whether writes wait for `persistNext`. */
  isDiskSlow = false;
  /** Handed out, not durable. */
  readonly queue: Ready[] = [];
  app: AppState;
  durableApp: AppState;
  /** Images that were made here, by index. */
  readonly images = new Map<number, Uint8Array>();
  damaged: DamagedRange[] = [];
  incarnation = 0;
  #partial: { snapshot: SnapshotMetadata; bytes: Uint8Array } | undefined;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.id = options.id;
    this.store = options.store;
    const { base } = options.store.image();
    this.app = { ...base, hash: INITIAL_HASH };
    this.durableApp = this.app;
    this.core = this.#start();
  }

  /** Runs one call into the core, and does all that follows from it at once. */
  act(body: (core: RaftCore) => void): void {
    if (!this.isUp) return;
    body(this.core);
    this.pump();
  }

  /** Takes Readys until there are none. */
  pump(): void {
    for (;;) {
      const ready = this.core.ready();
      if (ready === undefined) return;
      this.#options.events.ready(this, ready);
      for (const message of ready.messages) this.#options.events.send(message);
      if (ready.number !== 0 || ready.install !== undefined) this.queue.push(ready);
      else assert(ready.afterPersist.length === 0, "what waits for a write has a number");
      this.#apply(ready);
      this.#answerReads(ready);
      for (const chunk of ready.wantedChunks) this.#sendChunk(chunk);
      if (ready.isSnapshotWanted) this.takeSnapshot();
      if (!this.isDiskSlow) while (this.queue.length > 0) this.#persistOne();
    }
  }

  /** Lets the oldest write of a slow disk become durable. */
  persistNext(): void {
    if (!this.isUp || this.queue.length === 0) return;
    this.#persistOne();
    this.pump();
  }

  /** The process ends. The first `synced` of the writes under way are durable all the same. */
  crash(synced = 0): void {
    if (!this.isUp) return;
    this.isUp = false;
    for (const ready of this.queue.slice(0, synced)) this.#write(ready);
    this.queue.length = 0;
    this.app = this.durableApp;
    this.#partial = undefined;
  }

  restart(): void {
    if (this.isUp) return;
    this.incarnation++;
    this.isUp = true;
    this.core = this.#start();
    this.pump();
  }

  /** The state machine syncs. */
  checkpoint(): void {
    if (this.isUp) this.durableApp = this.app;
  }

  /** Makes an image of the state and offers it. */
  takeSnapshot(): void {
    if (!this.isUp || this.app.index === 0) return;
    const bytes = encodeImage(this.app, this.#options.imageBytes ?? 40);
    this.images.set(this.app.index, bytes);
    const checksum = simpleChecksum(bytes);
    this.core.snapshotTaken({ index: this.app.index, sizeBytes: bytes.length, checksum });
  }

  compact(index: number): void {
    this.checkpoint();
    const bound = this.core.isWitness ? index : Math.min(index, this.durableApp.index);
    this.act((core) => core.compact(bound));
  }

  #start(): RaftCore {
    const { id, random, core } = this.#options;
    const image = { ...this.store.image(), damaged: this.damaged };
    const { index, term, configuration } = this.durableApp;
    const appliedPoint: LogPoint = { index, term, configuration };
    return new RaftCore({
      self: id,
      group: 1,
      image,
      ...(core?.isWitness === true ? {} : { appliedPoint }),
      reader: this.#reader(),
      random: random.split(`core-${id}-${this.incarnation}`),
      checksum: simpleChecksum,
      ...core,
    });
  }

  #reader(): EntryReader {
    return {
      read: (from, to, maxBytes) => {
        const batches = this.store.read(from, to, maxBytes);
        const last = lastIndexOf(batches.at(-1)!);
        const isSound = !this.damaged.some((range) => range.from <= last && range.to >= from);
        assert(isSound, "a damaged entry is not read");
        return batches;
      },
    };
  }

  #persistOne(): void {
    const ready = this.queue.shift()!;
    this.#write(ready);
    for (const { snapshot, offset, data } of ready.receivedChunks) {
      if (offset === 0) this.#partial = { snapshot, bytes: new Uint8Array(snapshot.sizeBytes) };
      assert(this.#partial !== undefined, "an image begins with its first piece");
      this.#partial.bytes.set(data, offset);
    }
    for (const message of ready.afterPersist) this.#options.events.send(message);
    if (ready.number !== 0) this.core.persisted(ready.number);
    if (ready.install !== undefined) this.#install(ready.install);
  }

  /** Writes to the log; what is cut off, dropped or overwritten is damaged no longer. */
  #write(ready: Ready): void {
    this.store.write(ready);
    const gone: DamagedRange[] = ready.repairs.map((batch) => ({
      from: batch.firstIndex,
      to: lastIndexOf(batch),
    }));
    const { newBase, cutFrom } = ready;
    if (cutFrom !== 0) gone.push({ from: cutFrom, to: Number.POSITIVE_INFINITY });
    if (newBase !== undefined) {
      const to = newBase.keepsSuffix ? newBase.point.index : Number.POSITIVE_INFINITY;
      gone.push({ from: 0, to });
    }
    for (const each of gone) this.damaged = this.damaged.flatMap((range) => subtract(range, each));
  }

  #install(snapshot: SnapshotMetadata): void {
    const { index, term, configuration, sizeBytes } = snapshot;
    if (sizeBytes > 0) {
      const bytes = this.#partial?.bytes;
      const isGood = bytes !== undefined && simpleChecksum(bytes) === snapshot.checksum;
      if (!isGood) {
        this.core.snapshotInstalled(false);
        return;
      }
      this.app = { index, term, hash: decodeImage(bytes), configuration };
    } else {
      this.app = { ...this.app, index, term, configuration };
    }
    this.durableApp = this.app;
    this.#options.events.restored(this, index);
    this.core.snapshotInstalled(true);
  }

  #apply(ready: Ready): void {
    for (const batch of ready.apply) {
      for (let index = batch.firstIndex; index <= lastIndexOf(batch); index++) {
        assert(index === this.app.index + 1, "entries are applied in order, each once");
        const payload = payloadAt(batch, index);
        const configuration =
          batch.kind === "configuration" ? decodeConfiguration(payload)! : this.app.configuration;
        const hash = foldEntry(this.app.hash, batch.term, payload);
        this.app = { index, term: batch.term, hash, configuration };
        this.#options.events.applied(this, index, batch);
      }
    }
    if (ready.apply.length > 0) this.core.applied(this.app.index);
  }

  #answerReads(ready: Ready): void {
    for (const { context, index } of ready.reads) this.#options.events.read(this, context, index);
    for (const context of ready.failedReads) this.#options.events.readFailed(this, context);
  }

  #sendChunk({ to, snapshot, offset, length }: WantedChunk): void {
    const bytes = this.images.get(snapshot.index);
    if (bytes === undefined) return;
    const data = bytes.subarray(offset, offset + length);
    this.core.sendSnapshotChunk(to, { index: snapshot.index, offset, data });
  }
}

function subtract(range: DamagedRange, gone: DamagedRange): DamagedRange[] {
  const left: DamagedRange[] = [];
  if (range.from < gone.from)
    left.push({ from: range.from, to: Math.min(range.to, gone.from - 1) });
  if (range.to > gone.to) left.push({ from: Math.max(range.from, gone.to + 1), to: range.to });
  return left;
}

/** All replicas, a line each, for messages of failing tests. */
export function describeReplicas(replicas: readonly Replica[]): string {
  const lines = replicas.map(({ core, app }) => {
    const members = describeConfiguration(core.configuration);
    return `\n  ${describeState(core.state)} applied=${app.index} ${members}`;
  });
  return lines.join("");
}
