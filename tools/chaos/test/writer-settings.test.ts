import { expect, test } from "vitest";
import { type WriterLine, formatLine, parseLine } from "../src/writer-settings.ts";

test("every line is read as it was said", () => {
  const lines: readonly WriterLine[] = [
    { type: "phase", phase: "verifying" },
    { type: "ack", caller: 63, number: 1234 },
    { type: "violation", text: "it is gone" },
    { type: "refused", code: "DISK_FULL" },
    { type: "done", chore: "copy" },
    { type: "failed", code: "TXN_POISONED" },
  ];

  for (const line of lines) {
    const text = formatLine(line);

    expect(text.endsWith("\n")).toBe(true);
    expect(parseLine(text.slice(0, -1))).toEqual(line);
  }
  expect(formatLine({ type: "violation", text: "two\nlines" })).toBe("violation two lines\n");
  expect(() => parseLine("what is this")).toThrow("what is this");
});
