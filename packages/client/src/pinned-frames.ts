import { FRAME_TARGET_BYTES, FrameWriter, type RequestKind } from "@kvs/protocol";
import { type Channel } from "./channel.ts";

/**
 * Requests on their way to one connection and no other: steps of cursors, and all that belongs to a
 * transaction. What one turn asks for leaves in one frame for each connection, in order.
 */
export class PinnedFrames {
  readonly #writers = new Map<Channel, FrameWriter>();

  /** Begins a request; its fields follow, then `end`, or `abort`. */
  begin(
    channel: Channel,
    kind: RequestKind,
    options: { readonly fields: number; readonly id: number; readonly timeoutMs: number },
  ): FrameWriter {
    let writer = this.#writers.get(channel);
    if (writer === undefined) {
      writer = new FrameWriter();
      this.#writers.set(channel, writer);
    }
    if (writer.isFull) this.#send(channel, writer);
    writer.beginRequest(options.fields, options.id, kind.code, options.timeoutMs);
    return writer;
  }

  abort(channel: Channel): void {
    this.#writers.get(channel)?.abort();
  }

  /** Ends the request that was begun. @returns Its length in bytes. */
  end(channel: Channel): number {
    const writer = this.#writers.get(channel)!;
    writer.end();
    const bytes = writer.sizeBytes - writer.messageFrom;
    if (writer.sizeBytes >= FRAME_TARGET_BYTES) this.#send(channel, writer);
    return bytes;
  }

  /** Sends what there is for this connection. @returns Whether there was anything. */
  cut(channel: Channel): boolean {
    const writer = this.#writers.get(channel);
    if (writer === undefined || writer.count === 0) return false;
    this.#send(channel, writer);
    return true;
  }

  /** Sends everything. */
  flush(): void {
    for (const [channel, writer] of this.#writers) this.#send(channel, writer);
  }

  /** The connection is gone, and what was on its way to it. */
  forget(channel: Channel): void {
    this.#writers.delete(channel);
  }

  #send(channel: Channel, writer: FrameWriter): void {
    if (writer.count === 0) return;
    const frame = writer.take();
    if (channel.isAlive) channel.send(frame); // else whoever waits is told that it was lost
  }
}
