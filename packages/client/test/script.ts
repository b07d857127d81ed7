import { FrameReader, FrameWriter, welcomeDocument } from "@kvs/protocol";

/** The answer to the HELLO in a frame. */
export function welcome(frame: Uint8Array, version = 1): Uint8Array {
  const reader = new FrameReader(frame);
  reader.next();
  const writer = new FrameWriter();
  writer.beginResponse(1, reader.id);
  writer.document(welcomeDocument({ version, nodeId: "n1" }));
  writer.end();
  return writer.take();
}

/** A frame with one message, written by hand. */
export function message(write: (writer: FrameWriter) => void): Uint8Array {
  const writer = new FrameWriter();
  write(writer);
  return writer.take();
}

export function idOf(frame: Uint8Array): number {
  const reader = new FrameReader(frame);
  reader.next();
  return reader.id;
}
