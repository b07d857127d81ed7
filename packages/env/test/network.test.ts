import { expect, test } from "vitest";
import {
  FRAME_MAX_BYTES,
  HTTP_BODY_MAX_BYTES,
  SEND_BUFFER_BYTES,
  SEND_BUFFER_MAX_BYTES,
} from "../src/network.ts";

const MiB = 1024 * 1024;

test("a batch of 64 MiB fits into a frame, and a frame into the send buffer", () => {
  expect(FRAME_MAX_BYTES).toBeGreaterThan(64 * MiB);
  expect(SEND_BUFFER_MAX_BYTES).toBeGreaterThan(FRAME_MAX_BYTES + SEND_BUFFER_BYTES);
});

test("a sender is asked to stop long before its connection is given up", () => {
  expect(SEND_BUFFER_BYTES).toBe(MiB);
  expect(SEND_BUFFER_BYTES * 10).toBeLessThan(SEND_BUFFER_MAX_BYTES);
  expect(HTTP_BODY_MAX_BYTES).toBeLessThan(FRAME_MAX_BYTES);
});
