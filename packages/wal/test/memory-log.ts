import { AppendBuffer, type AppendBufferOptions } from "../src/append-buffer.ts";
import { Geometry } from "../src/geometry.ts";
import { type Fragment, LogCursor, type Rejection, type SegmentSource } from "../src/log-cursor.ts";
import { toLsn } from "../src/lsn.ts";
import { type LogIdentity, encodeSegmentHeader, toIdentity } from "../src/segment-format.ts";

export interface MemoryLogOptions {
  readonly start?: number;
  readonly segmentBytes?: number;
  readonly logId?: Uint8Array;
  /** How records are sealed and compressed. */
  readonly packing?: (identity: LogIdentity) => Pick<AppendBufferOptions, "sealer" | "compressor">;
}

/** A log as bytes in memory: segments made by the real `AppendBuffer`. */
export class MemoryLog implements SegmentSource {
  readonly geometry: Geometry;
  readonly identity: LogIdentity;
  readonly start: number;
  readonly segments: Map<number, Uint8Array> = new Map();
  readonly buffer: AppendBuffer;
  /** The longest read anyone asked for. */
  longestRead = 0;

  constructor(options: MemoryLogOptions = {}) {
    const {
      start = 0,
      segmentBytes = 1024,
      logId = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    } = options;
    this.start = start;
    this.geometry = new Geometry(start, segmentBytes);
    this.identity = toIdentity(logId);
    const first = new Uint8Array(segmentBytes);
    encodeSegmentHeader(first, 0, {
      segmentBytes,
      logId,
      base: start,
      previousLsn: start + 64,
      epoch: 1,
    });
    this.segments.set(start, first);
    const { geometry, identity } = this;
    this.buffer = new AppendBuffer({
      geometry,
      identity,
      lsn: toLsn(start + 64),
      epoch: 2,
      ...options.packing?.(identity),
    });
  }

  /** Moves what is buffered into the segments. */
  flush(): void {
    for (let group = this.buffer.oldest(); group !== undefined; group = this.buffer.oldest()) {
      for (let at = 0; at < group.imageBytes; at++) {
        const position = group.imageStart + at;
        const base = this.geometry.baseOf(position);
        const segment = this.segments.get(base) ?? new Uint8Array(this.geometry.segmentBytes);
        this.segments.set(base, segment);
        segment[position - base] = group.bytes[at]!;
      }
      this.buffer.releaseOldest();
    }
  }

  get headBase(): number {
    return this.start;
  }

  get lastBase(): number {
    return Math.max(...this.segments.keys());
  }

  lastBegunBase(): number {
    return this.lastBase;
  }

  pathOf(base: number): string {
    return `${base}`;
  }

  read(base: number, target: Uint8Array, offset: number): Promise<number> {
    this.longestRead = Math.max(this.longestRead, target.length);
    const bytes = this.segments.get(base)?.subarray(offset, offset + target.length);
    if (bytes !== undefined) target.set(bytes);
    return Promise.resolve(bytes?.length ?? 0);
  }

  /** Everything a cursor takes, and why it stopped. */
  async walk(
    options: { from?: number; chunkBytes?: number } = {},
  ): Promise<{ fragments: Fragment[]; rejection: Rejection }> {
    const { from = this.start + 64 } = options;
    const cursor = new LogCursor({ ...options, source: this, from });
    const fragments: Fragment[] = [];
    for (;;) {
      const step = cursor.step();
      if (step === undefined) await cursor.fill();
      else if (step.type === "rejection") return { fragments, rejection: step };
      else fragments.push({ ...step, payload: step.payload.slice() });
    }
  }
}
