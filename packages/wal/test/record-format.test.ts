import { expect, test } from "vitest";

import {
  FRAGMENT_HEADER_BYTES,
  emptyHeader,
  fragmentChecksum,
  readFragmentHeader,
  sealFragment,
  storedChecksum,
} from "../src/record-format.ts";
import { payloadOf } from "./fixture.ts";

const SEED = 0x1234_5678;

function sealed(fields: Partial<Parameters<typeof sealFragment>[3]> = {}): Uint8Array {
  const header = {
    length: 100,
    epoch: 7,
    kind: 200,
    flags: 3,
    previousLsn: 2 ** 53 - 1000,
    syncedDistance: 2 ** 32 - 1,
    seed: SEED,
    ...fields,
  };
  const bytes = new Uint8Array(10 + FRAGMENT_HEADER_BYTES + 100);
  bytes.set(payloadOf(3, 100), 10 + FRAGMENT_HEADER_BYTES);
  sealFragment(bytes, new DataView(bytes.buffer), 10, header);
  return bytes;
}

test("a header reads as it was sealed", () => {
  const bytes = sealed();
  const view = new DataView(bytes.buffer);
  const header = emptyHeader();

  expect(readFragmentHeader(view, 10, bytes.length - 10, header)).toBeUndefined();
  expect(header).toEqual({
    length: 100,
    epoch: 7,
    kind: 200,
    flags: 3,
    previousLsn: 2 ** 53 - 1000,
    syncedDistance: 2 ** 32 - 1,
  });
  expect(fragmentChecksum(bytes, 10, 100, SEED)).toBe(storedChecksum(view, 10));
});

test("the checksum depends on every bit of header and payload, and on the log", () => {
  const bytes = sealed();
  const checksum = storedChecksum(new DataView(bytes.buffer), 10);
  for (let bit = (10 + 4) * 8; bit < bytes.length * 8; bit++) {
    bytes[bit >>> 3]! ^= 1 << (bit & 7);
    expect(fragmentChecksum(bytes, 10, 100, SEED)).not.toBe(checksum);
    bytes[bit >>> 3]! ^= 1 << (bit & 7);
  }
  expect(fragmentChecksum(bytes, 10, 100, SEED + 1)).not.toBe(checksum);
});

test("a previous LSN of 2^53 or more is no header", () => {
  const bytes = sealed();
  const view = new DataView(bytes.buffer);
  view.setUint32(10 + 20, 0x20_0000, true);
  expect(readFragmentHeader(view, 10, bytes.length - 10, emptyHeader())).toBe("header");
  view.setUint32(10 + 20, 0x1f_ffff, true);
  view.setUint32(10 + 16, 0xffff_ffff, true);
  const header = emptyHeader();
  expect(readFragmentHeader(view, 10, bytes.length - 10, header)).toBeUndefined();
  expect(header.previousLsn).toBe(Number.MAX_SAFE_INTEGER);
});

test("reserved bytes are zero, or it is no header", () => {
  for (const offset of [14, 15, 28, 29, 30, 31]) {
    const bytes = sealed();
    bytes[10 + offset] = 1;
    const view = new DataView(bytes.buffer);
    expect(readFragmentHeader(view, 10, bytes.length - 10, emptyHeader())).toBe("header");
  }
});
