import { decodeConfiguration, encodeConfiguration } from "../core/configuration-codec.ts";
import { ByteReader, ByteWriter, crc32 } from "@kvs/codec";
import { type Environment, isKvsError, readFullyAt } from "@kvs/env";

import { type LogPoint } from "../core/log-store.ts";
import { logDamaged } from "../wal/log-error.ts";

/** An image of a state, and the entry whose effect is the last in it. */
export interface StoredSnapshot {
  readonly point: LogPoint;
  readonly image: Uint8Array;
}

/** Where the images of one replica are kept whose state lives in memory only. */
export interface SnapshotStore {
  /** The image saved last; `undefined` if there is none. @throws {KvsError} if it is damaged. */
  load(): Promise<StoredSnapshot | undefined>;
  /** Replaces the image. Durable when this resolves; a crash leaves the old or the new one. */
  save(snapshot: StoredSnapshot): Promise<void>;
}

/** Keeps the image in memory: for tests, together with `MemoryLogStore`. */
export class MemorySnapshotStore implements SnapshotStore {
  #stored: StoredSnapshot | undefined;

  load(): Promise<StoredSnapshot | undefined> {
    return Promise.resolve(this.#stored);
  }

  save(snapshot: StoredSnapshot): Promise<void> {
    this.#stored = snapshot;
    return Promise.resolve();
  }
}

const VERSION = 1;
const HEADER_BYTES = 5;

/**
 * Keeps the image in a file: checksum (CRC-32 of the rest), version, index, term, members, image. A new
 * one is written beside it and renamed once it is durable. docs/formats/raft-log.md has the format.
 */
export class DiskSnapshotStore implements SnapshotStore {
  readonly #environment: Environment;
  readonly #path: string;

  /** @param path The file, in a directory that exists. */
  constructor(environment: Environment, path: string) {
    this.#environment = environment;
    this.#path = path;
  }

  async load(): Promise<StoredSnapshot | undefined> {
    const { disk } = this.#environment;
    if ((await disk.stat(this.#path)) === undefined) return undefined;
    const file = await disk.open(this.#path, { readOnly: true });
    try {
      const bytes = new Uint8Array(await file.size());
      await readFullyAt(file, bytes, 0);
      return decode(bytes);
    } finally {
      await file.close();
    }
  }

  async save({ point, image }: StoredSnapshot): Promise<void> {
    const { disk } = this.#environment;
    const fresh = `${this.#path}.new`;
    if ((await disk.stat(fresh)) !== undefined) await disk.unlink(fresh); // a save that a crash ended
    const file = await disk.open(fresh, { create: true });
    try {
      await file.writeDurableAt(encode(point, image), 0);
    } finally {
      await file.close();
    }
    await disk.rename(fresh, this.#path);
    await disk.syncDirectory(directoryOf(this.#path));
  }
}

function encode(point: LogPoint, image: Uint8Array): Uint8Array {
  const writer = new ByteWriter({ initialBytes: image.length + 4096, maxBytes: 2 ** 31 });
  writer.u32(0);
  writer.u8(VERSION);
  writer.varint(point.index);
  writer.varint(point.term);
  writer.varBytes(encodeConfiguration(point.configuration));
  writer.bytes(image);
  writer.patchU32(0, crc32(writer.view(4)));
  return writer.view();
}

function decode(bytes: Uint8Array): StoredSnapshot {
  try {
    const reader = new ByteReader(bytes);
    const isSound = bytes.length >= HEADER_BYTES && reader.u32() === crc32(bytes.subarray(4));
    if (!isSound || reader.u8() !== VERSION) throw logDamaged("the image of the state is damaged");
    const [index, term] = [reader.varint(), reader.varint()];
    const configuration = decodeConfiguration(reader.varBytes());
    if (configuration === undefined) throw logDamaged("the image of the state has no members");
    return { point: { index, term, configuration }, image: reader.bytes(reader.remaining) };
  } catch (error) {
    if (!isKvsError(error) || error.code === "RAFT_LOG_DAMAGED") throw error;
    throw logDamaged("the image of the state breaks its format", error);
  }
}

function directoryOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? "" : path.slice(0, slash);
}

/** Of a state machine that is durable by itself: no image of it is stored. */
export const NO_STORE: SnapshotStore = {
  load: () => Promise.resolve(undefined),
  save: () => Promise.resolve(),
};
