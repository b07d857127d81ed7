/**
 * What goes over a connection at a time: messages of any groups from one process to another.
 *
 *   frame = checksum:u32 version:u8 cluster:varint (length:u32 message)*
 *
 * The checksum is a CRC-32 of all that follows it.
 */
import { ByteReader, ByteWriter, crc32 } from "@kvs/codec";
import { isKvsError } from "@kvs/env";

import { type Message } from "../core/message.ts";
import { decodeMessage, encodeMessage, encodedBytesMax } from "./message-codec.ts";
import { frameDamaged, frameForeign, frameMalformed, frameUnsupported } from "./message-error.ts";

const FRAME_VERSION = 1;
const CHECKSUM_BYTES = 4;
/** Of the length before each message. */
const LENGTH_BYTES = 4;
/** Checksum, version and cluster. */
const HEADER_MAX_BYTES = 13;

/**
 * Writes a frame.
 *
 * @param cluster An integer in [0, 2^53): peers of other clusters are not listened to.
 * @returns The caller's.
 *
 * Cost: payloads are copied once: the frame's length is bounded before anything is written.
 */
export function encodeFrame(cluster: number, messages: readonly Message[]): Uint8Array {
  let bytesMax = HEADER_MAX_BYTES;
  for (const message of messages) bytesMax += LENGTH_BYTES + encodedBytesMax(message);
  const writer = new ByteWriter({ initialBytes: bytesMax, maxBytes: bytesMax });
  writer.zeros(CHECKSUM_BYTES);
  writer.u8(FRAME_VERSION);
  writer.varint(cluster);
  for (const message of messages) {
    const at = writer.claim(LENGTH_BYTES);
    encodeMessage(writer, message);
    writer.patchU32(at, writer.position - at - LENGTH_BYTES);
  }
  writer.patchU32(0, crc32(writer.view(CHECKSUM_BYTES)));
  return writer.view();
}

export interface DecodeOptions {
  readonly cluster: number;
  /** Sabotage: believes what it reads, whatever the checksum says. */
  readonly isUnchecked?: boolean;
}

export interface DecodedFrame {
  readonly messages: readonly Message[];
  /** Messages of kinds that only a newer program knows. */
  readonly unknownCount: number;
}

/**
 * Reads a frame. All of it, or nothing.
 *
 * @param bytes Entries are views of them: they must not change from now on.
 * @throws {KvsError} `RAFT_FRAME_DAMAGED`, `RAFT_FRAME_FOREIGN`, `RAFT_FRAME_UNSUPPORTED`,
 *   `RAFT_FRAME_MALFORMED`
 */
export function decodeFrame(bytes: Uint8Array, options: DecodeOptions): DecodedFrame {
  try {
    return decode(bytes, options);
  } catch (error) {
    if (!isKvsError(error) || error.code.startsWith("RAFT_")) throw error;
    throw frameMalformed("a frame breaks the format", error);
  }
}

function decode(bytes: Uint8Array, options: DecodeOptions): DecodedFrame {
  const { cluster } = options;
  const reader = new ByteReader(bytes);
  const expected = reader.u32();
  const found = crc32(bytes.subarray(CHECKSUM_BYTES));
  if (expected !== found && options.isUnchecked !== true) throw frameDamaged(expected, found);
  const version = reader.u8();
  if (version !== FRAME_VERSION) throw frameUnsupported(version);
  const sender = reader.varint();
  if (sender !== cluster) throw frameForeign(cluster, sender);
  const messages: Message[] = [];
  let unknownCount = 0;
  while (reader.remaining > 0) {
    const length = reader.u32();
    const from = reader.position;
    reader.skip(length);
    const message = decodeMessage(bytes, from, from + length);
    if (message === undefined) unknownCount++;
    else messages.push(message);
  }
  return { messages, unknownCount };
}
