import { type DocumentValue, decodeDocument } from "@kvs/codec";
import { type DatabaseStats, type FrameReader, type ValueEntry } from "@kvs/protocol";

/** The readers of answers: each reads the fields of one kind of response. */

export function readNothing(): undefined {
  return undefined;
}

export function readBoolean(reader: FrameReader): boolean {
  return reader.bool();
}

export function readCount(reader: FrameReader): number {
  return reader.uint();
}

export function readVersion(reader: FrameReader): { readonly version: number } {
  return { version: reader.uint() };
}

/** The value of an entry; its version is left where it is. */
export function readValue(reader: FrameReader): DocumentValue | undefined {
  const bytes = reader.bytesIfAny();
  return bytes === undefined ? undefined : decodeDocument(bytes);
}

export function readEntry(reader: FrameReader): ValueEntry<DocumentValue> | undefined {
  const bytes = reader.bytesIfAny();
  const version = reader.uint();
  return bytes === undefined ? undefined : { value: decodeDocument(bytes), version };
}

export function readTexts(reader: FrameReader): string[] {
  const texts: string[] = [];
  for (let left = reader.array(); left > 0; left--) texts.push(reader.text());
  return texts;
}

export function readStats(reader: FrameReader): DatabaseStats {
  return decodeDocument(reader.bytes()) as unknown as DatabaseStats;
}
