import { crc32 } from "@kvs/codec";
import { AssertionFailure, type Random, createRandom, isKvsError } from "@kvs/env";
import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";

import { decodeFrame, encodeFrame } from "../src/codec/frame-codec.ts";
import { decodeMessage } from "../src/codec/message-codec.ts";
import { MESSAGE_KINDS } from "../src/codec/message-kinds.ts";
import { packPayloads } from "../src/core/entry.ts";
import { type Message } from "../src/core/message.ts";
import { drawMessage, normalize } from "./codec-fixture.ts";

const CLUSTER = 77;
const FUZZ_COUNT = 60_000;

/** Puts the checksum right, so that a change is seen by what parses, not by the checksum. */
function reseal(frame: Uint8Array): Uint8Array {
  new DataView(frame.buffer, frame.byteOffset).setUint32(0, crc32(frame.subarray(4)), true);
  return frame;
}

/** What a hostile frame may lead to: messages, or one of the documented errors. */
function outcomeOf(frame: Uint8Array): readonly Message[] | string {
  try {
    return decodeFrame(frame, { cluster: CLUSTER }).messages;
  } catch (error) {
    expect(error).not.toBeInstanceOf(AssertionFailure);
    expect(isKvsError(error) && error.code.startsWith("RAFT_FRAME_"), String(error)).toBe(true);
    return isKvsError(error) ? error.code : "";
  }
}

function drawFrame(random: Random): { readonly frame: Uint8Array; readonly sent: Message[] } {
  const sent = Array.from({ length: random.below(4) }, () => drawMessage(random));
  return { frame: encodeFrame(CLUSTER, sent).slice(), sent };
}

test("what is written is read again, for every kind of message", () => {
  const seen = new Set<string>();
  forEachSeed({ seeds: 3000 }, ({ random }) => {
    const { frame, sent } = drawFrame(random);
    const { messages, unknownCount } = decodeFrame(frame, { cluster: CLUSTER });

    expect(messages.map(normalize)).toEqual(sent.map(normalize));
    expect(unknownCount).toBe(0);
    for (const { type } of sent) seen.add(type);
  });
  expect(seen.size).toBe(15);
});

test("the numbers of kinds are not changed by accident", () => {
  const numbers = Object.entries(MESSAGE_KINDS).map(([type, { number }]) => `${number} ${type}`);
  expect(numbers.join("\n")).toMatchInlineSnapshot(`
    "1 vote-request
    2 vote-response
    3 append-request
    4 append-response
    5 heartbeat-request
    6 heartbeat-response
    7 hibernate-request
    8 hibernate-response
    9 snapshot-request
    10 snapshot-response
    11 timeout-now
    12 read-request
    13 read-response
    14 fetch-request
    15 fetch-response"
  `);
});

test("a frame that was cut short is refused, wherever it ends", () => {
  const random = createRandom(2);
  for (let round = 0; round < 100; round++) {
    const { frame } = drawFrame(random);
    for (let length = 0; length < frame.length; length++) {
      expect(outcomeOf(frame.slice(0, length))).toMatch(/^RAFT_FRAME_(DAMAGED|MALFORMED)$/);
    }
  }
});

test("a frame that ends early although its checksum is right is read whole messages at most", () => {
  const random = createRandom(3);
  for (let round = 0; round < 200; round++) {
    const { frame, sent } = drawFrame(random);
    for (let length = 7; length < frame.length; length++) {
      const outcome = outcomeOf(reseal(frame.slice(0, length)));
      if (typeof outcome === "string") continue;
      const expected = sent.slice(0, outcome.length).map(normalize);
      expect(outcome.map(normalize)).toEqual(expected);
    }
  }
});

// REL-R23
test(`${FUZZ_COUNT} damaged frames are refused by their checksum`, () => {
  forEachSeed({ seeds: FUZZ_COUNT / 30 }, ({ random }) => {
    const { frame } = drawFrame(random);
    for (let round = 0; round < 30; round++) {
      const damaged = frame.slice();
      const at = random.below(damaged.length);
      damaged[at] = damaged[at]! ^ (1 << random.below(8));
      expect(outcomeOf(damaged)).toBe("RAFT_FRAME_DAMAGED");
    }
  });
});

// REL-R23
test(`${FUZZ_COUNT} forged frames with right checksums give messages or typed errors`, () => {
  let accepted = 0;
  let refused = 0;
  forEachSeed({ seeds: FUZZ_COUNT / 30 }, ({ random }) => {
    const { frame } = drawFrame(random);
    for (let round = 0; round < 30; round++) {
      const forged = mutate(frame, random);
      const outcome = outcomeOf(forged);
      if (typeof outcome === "string") refused++;
      else {
        accepted++;
        // What was taken for a message is one: written again, it reads the same.
        const again = decodeFrame(encodeFrame(CLUSTER, outcome), { cluster: CLUSTER });
        expect(again.messages.map(normalize)).toEqual(outcome.map(normalize));
      }
    }
  });
  expect(accepted).toBeGreaterThan(FUZZ_COUNT / 20);
  expect(refused).toBeGreaterThan(FUZZ_COUNT / 20);
});

function mutate(frame: Uint8Array, random: Random): Uint8Array {
  let forged = frame.slice();
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const at = 4 + random.below(Math.max(1, forged.length - 4));
    if (random.chance(0.6)) forged[at] = random.below(256);
    else if (random.chance(0.5))
      forged = Uint8Array.of(...forged.subarray(0, at), ...forged.subarray(at + 1));
    else forged = Uint8Array.of(...forged.subarray(0, at), 0xff, ...forged.subarray(at));
  }
  return reseal(forged);
}

test("a field behind those that are known is skipped, and so is a kind that is not known", () => {
  const [heartbeat] = [drawOfType("heartbeat-response")];
  const frame = encodeFrame(CLUSTER, [heartbeat]).slice();
  const start = 4 + 1 + 1 + 4; // checksum, version, cluster, length
  const longer = Uint8Array.of(...frame, 1, 2, 3);
  new DataView(longer.buffer).setUint32(start - 4, longer.length - start, true);
  longer[start + 1] = longer[start + 1]! + 3; // fieldsBytes

  expect(outcomeOf(reseal(longer))).toEqual([heartbeat]);

  const newer = encodeFrame(CLUSTER, [heartbeat, heartbeat]).slice();
  newer[start] = 200;
  const decoded = decodeFrame(reseal(newer), { cluster: CLUSTER });
  expect(decoded.messages).toEqual([heartbeat]);
  expect(decoded.unknownCount).toBe(1);
});

// REL-R28
test("frames of another cluster, or of a newer program, are refused by name", () => {
  const frame = encodeFrame(5, []).slice();
  expect(outcomeOf(frame)).toBe("RAFT_FRAME_FOREIGN");
  frame[4] = 2;
  expect(outcomeOf(reseal(frame))).toBe("RAFT_FRAME_UNSUPPORTED");
});

test("counts that the bytes cannot hold are refused before anything is allocated", () => {
  const head = [3, 8, 0, 1, 1, 2, 1, 0, 0, 0, 0]; // append-request, empty prefix
  const huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
  for (const bulk of [
    huge,
    [1, 0, 1, ...huge, 0],
    [1, 0, 1, 100, 2, 1],
    [1, 0, 1, 100, 0, 1],
    [1, 0, 1, 0, 0],
  ]) {
    expect(() => decodeMessage(Uint8Array.of(...head, ...bulk))).toThrow("RAFT_FRAME_MALFORMED");
  }
});

test("payloads are views of the frame they came in", () => {
  const message: Message = {
    type: "append-request",
    group: 1,
    from: 1,
    to: 2,
    term: 1,
    prevIndex: 0,
    prevTerm: 0,
    commitIndex: 0,
    stableIndex: 0,
    entries: [{ kind: "command", term: 1, firstIndex: 1, ...packPayloads([new Uint8Array(100)]) }],
  };
  const frame = encodeFrame(CLUSTER, [message]);
  const [decoded] = decodeFrame(frame, { cluster: CLUSTER }).messages;

  expect(decoded).toEqual(message);
  expect((decoded as typeof message).entries[0]!.data.buffer).toBe(frame.buffer);
});

test("the largest message of each kind fits into the bytes that are set aside for it", () => {
  const random = createRandom(11);
  for (let round = 0; round < 2000; round++) {
    const message = drawMessage(random);
    const wide = {
      ...message,
      group: 2 ** 53 - 1,
      from: 2 ** 53 - 1,
      to: 2 ** 53 - 1,
      term: 2 ** 52,
    };
    expect(() => encodeFrame(2 ** 53 - 1, [wide])).not.toThrow();
  }
});

function drawOfType(type: Message["type"]): Message {
  const random = createRandom(5);
  for (;;) {
    const message = drawMessage(random);
    if (message.type === type) return { ...message, group: 1, from: 1, to: 2 };
  }
}

test("without its checksum a damaged frame would be believed", () => {
  const random = createRandom(9);
  let believed = 0;
  for (let round = 0; round < 300; round++) {
    const { frame } = drawFrame(random);
    const damaged = frame.slice();
    damaged[frame.length - 1] = damaged[frame.length - 1]! ^ 1;
    expect(() => decodeFrame(damaged, { cluster: CLUSTER })).toThrow("RAFT_FRAME_DAMAGED");
    try {
      decodeFrame(damaged, { cluster: CLUSTER, isUnchecked: true });
      believed++;
    } catch {
      // It was malformed besides.
    }
  }
  expect(believed).toBeGreaterThan(100);
});
