import { type AnomalyType } from "../../../src/check/serializability/anomaly.ts";

/** Histories by hand: ones that show an anomaly, and ones beside them that do not. */
export interface KnownHistories {
  readonly bad: readonly string[];
  readonly good: readonly string[];
}

export const KNOWN_HISTORIES: Readonly<Record<AnomalyType, KnownHistories>> = {
  internal: {
    bad: ["a x 1; r x -", "w x 1; g x -", "w x 1; w x 2; g x 1"],
    good: ["a x 1; r x 1", "w x 1; w x 2; g x 2", "a x 1 \n r x 1; a x 2; r x 1 2"],
  },
  "unrepeatable-read": {
    bad: ["a x 1 \n r x -; r x 1", "w x 1 \n g x -; g x 1", "w x 1 \n w x 2 \n g x 1; g x 2"],
    good: [
      "a x 1 \n r x 1; r x 1",
      "w x 1 \n g x 1; w x 2; g x 2",
      "a x 1 \n r x 1; a x 2; r x 1 2",
    ],
  },
  G1a: {
    bad: ["fail: a x 1 \n r x 1", "fail: w x 1 \n g x 1", "fail: a x 1 \n a x 2 \n r x 1 2"],
    good: ["fail: a x 1 \n r x -", "info: w x 1 \n g x 1", "fail: a x 1 \n a x 2 \n r x 2"],
  },
  G1b: {
    bad: [
      "a x 1; a x 2 \n r x 1 \n r x 1 2",
      "w x 1; w x 2 \n g x 1",
      "a x 1; a y 9; a x 2 \n r y 9; r x 1 \n r x 1 2",
    ],
    good: ["a x 1; a x 2 \n r x 1 2", "w x 1; w x 2 \n g x 2", "a x 1; r x 1; a x 2 \n r x -"],
  },
  "never-written": {
    bad: ["r x 7", "g x 7", "a x 1 \n r x 1 7"],
    good: ["a x 7 \n r x 7", "info: w x 7 \n g x 7", "a x 1 \n r x 1 \n r x -"],
  },
  duplicate: {
    bad: ["a x 1 \n r x 1 1", "a x 1 \n a x 2 \n r x 1 2 1", "info: a x 1 \n r x 1 1"],
    good: ["a x 1 \n r x 1", "a x 1 \n a x 2 \n r x 1 2", "a x 1 \n a y 1 \n r x 1; r y 1"],
  },
  "incompatible-order": {
    bad: [
      "a x 1 \n a x 2 \n r x 1 2 \n r x 2 1",
      "a x 1 \n a x 2 \n r x 1 \n r x 2 1",
      "a x 1 \n a x 2 \n a x 3 \n r x 1 3 \n r x 1 2 3",
    ],
    good: [
      "a x 1 \n a x 2 \n r x 1 2 \n r x 1",
      "a x 1 \n a y 2 \n r x 1; r y - \n r x -; r y 2",
      "a x 1 \n a x 2 \n a x 3 \n r x 1 2 \n r x 1 2 3",
    ],
  },
  "lost-update": {
    bad: [
      "g x -; w x 1 \n g x -; w x 2",
      "r x -; a x 1 \n r x -; a x 2 \n r x 1 2",
      "w x 1 \n g x 1; w x 2 \n g x 1; w x 3",
    ],
    good: [
      "g x -; w x 1 \n g x 1; w x 2",
      "r x -; a x 1 \n r x 1; a x 2 \n r x 1 2",
      "w x 1 \n g x 1; w x 2 \n fail: g x 1; w x 3",
    ],
  },
  G0: {
    bad: [
      "a x 1; a y 1 \n a x 2; a y 2 \n r x 1 2; r y 2 1",
      "a x 1; a x 3 \n a x 2 \n r x 1 2 3",
      "a x 1; a z 1 \n a x 2; a y 2 \n a y 3; a z 3 \n r x 1 2; r y 2 3; r z 3 1",
    ],
    good: [
      "a x 1; a y 1 \n a x 2; a y 2 \n r x 1 2; r y 1 2",
      "a x 1; a x 3 \n a x 2 \n r x 1 3 2",
      "a x 1; a z 1 \n a x 2; a y 2 \n a y 3; a z 3 \n r x 1 2; r y 2 3; r z 1 3",
    ],
  },
  G1c: {
    bad: [
      "a x 1; r y 1 \n a y 1; r x 1",
      "w x 1; g y 1 \n w y 1; g x 1",
      "a x 1; r z 1 \n r x 1; a y 1 \n r y 1; a z 1",
    ],
    good: [
      "a x 1; r y 1 \n a y 1; r x -",
      "w x 1; g y - \n w y 1; g x 1",
      "a x 1; r z - \n r x 1; a y 1 \n r y 1; a z 1",
    ],
  },
  "G-single": {
    bad: [
      "a x 1; a y 1 \n r x -; r y 1",
      "w x 1; w y 1 \n g x -; g y 1",
      "a x 1 \n r x 1; a y 1 \n r y 1; r x -",
    ],
    good: [
      "a x 1; a y 1 \n r x 1; r y 1",
      "w x 1; w y 1 \n g x -; g y -",
      "a x 1 \n r x 1; a y 1 \n r y 1; r x 1",
    ],
  },
  "G-nonadjacent": {
    bad: [
      "a x 1 \n r x 1; a z 1 \n r z 1; r y - \n a y 1 \n r y 1; r x -",
      "w x 1 \n g x 1; w z 1 \n g z 1; g y - \n w y 1 \n g y 1; g x -",
      "a x 1; a u 1 \n r u 1; a v 1 \n r v 1; r y - \n a y 1; a t 1 \n r t 1; r x -",
    ],
    good: [
      "a x 1 \n r x 1; a z 1 \n r z 1; r y - \n a y 1 \n r y 1; r x 1",
      "w x 1 \n g x 1; w z 1 \n g z 1; g y 1 \n w y 1 \n g y 1; g x -",
      "r x -; a y 1 \n r y -; a x 1",
    ],
  },
  "long-fork": {
    bad: [
      "a x 1 \n a y 1 \n r x 1; r y - \n r x -; r y 1",
      "w x 1 \n w y 1 \n g x 1; g y - \n g x -; g y 1",
      "info: a x 1 \n a y 1 \n r x 1; r y - \n r y 1; r x -",
    ],
    good: [
      "a x 1 \n a y 1 \n r x 1; r y - \n r x 1; r y 1",
      "w x 1 \n w y 1 \n g x 1; g y - \n g x -; g y -",
      "r x -; a y 1 \n r y -; a x 1",
    ],
  },
  "G2-item": {
    bad: [
      "r x -; a y 1 \n r y -; a z 1 \n r z -; a x 1",
      "g x -; w y 1 \n g y -; w z 1 \n g z -; w x 1",
      "r x -; a y 1 \n a x 1; a w 1 \n r w 1; r y -; a q 1",
    ],
    good: [
      "r x -; a y 1 \n r y 1; a z 1 \n r z -; a x 1",
      "g x -; w y 1 \n g y 1; w x 1",
      "r x -; a y 1 \n a x 1; a w 1 \n r w 1; r y 1; a q 1",
    ],
  },
  "write-skew": {
    bad: [
      "r x -; r y -; a x 1 \n r x -; r y -; a y 1",
      "g x -; w y 1 \n g y -; w x 1",
      "w x 1; w y 1 \n g x 1; g y 1; w x 2 \n g x 1; g y 1; w y 2",
    ],
    good: [
      "r x -; r y -; a x 1 \n r x 1; r y -; a y 1",
      "g x -; w y 1 \n g y 1; w x 1",
      "w x 1; w y 1 \n g x 1; g y 1; w x 2 \n g x 2; g y 1; w y 2",
    ],
  },
  G2: {
    bad: [
      "s a..c; w b 1 \n s b..d; w a 1",
      "s a..m x=1; w b 1 \n s a..m; w c 1 \n w x 1",
      "s a..z; w d 1 \n s a..z; w e 1 \n s a..z d=1 e=1",
    ],
    good: [
      "s a..c; w b 1 \n s b..d b=1; w a 1",
      "s a..c; w x 1 \n s d..f; w y 1",
      "g a -; w b 1 \n g b -; w a 1",
    ],
  },
};
