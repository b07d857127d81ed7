import { expect, test } from "vitest";
import { type Choices, CHOICES_MAX, everyChoice, everyChoiceAsync } from "../src/every-choice.ts";

test("every combination is run once, in lexicographic order, and questions may depend on answers", () => {
  const seen: string[] = [];

  const runs = everyChoice((choices) => {
    const length = choices.choose(3);
    let word = "";
    for (let at = 0; at < length; at++) word += choices.pick(["a", "b"]);
    seen.push(word);
  });

  expect(seen).toEqual(["", "a", "b", "aa", "ab", "ba", "bb"]);
  expect(runs).toBe(7);
});

test("flags and orders are exhaustive too", () => {
  const seen = new Set<string>();

  const runs = everyChoice((choices) => {
    const items = ["a", "b", "c"];
    seen.add(`${choices.order(items).join("")} ${choices.flag()}`);
    expect(items).toEqual(["a", "b", "c"]);
  });

  expect(runs).toBe(12);
  expect(seen.size).toBe(12);
});

test("a body that asks nothing runs once", () => {
  expect(everyChoice(() => undefined)).toBe(1);
});

test("a failure tells its answers, and they repeat it", () => {
  const cause = new Error("two and one");
  const body = (choices: Choices): void => {
    const first = choices.choose(3);
    if (first === 2 && choices.choose(2) === 1 && choices.choose(5) === 0) throw cause;
  };

  expect(() => everyChoice(body)).toThrow(
    expect.objectContaining({
      code: "SIM_CHOICE_FAILED",
      message: "SIM_CHOICE_FAILED: run 4 fails: two and one\nrepeat it with { replay: [2,1,0] }",
      details: { run: 4 },
      cause,
    }),
  );
  expect(() => everyChoice(body, { replay: [2, 1, 0] })).toThrow("run 1 fails: two and one");
  expect(everyChoice(body, { replay: [1] })).toBe(1);
  expect(() => everyChoice(body, { replay: [3] })).toThrow("a replayed answer fits");
});

test("a thrown text is reported like an error", () => {
  expect(() =>
    everyChoice(() => {
      throw "a text";
    }),
  ).toThrow("run 1 fails: a text");
});

function askTen(choices: Choices): void {
  choices.choose(10);
}

test("a space that is too large is an error, not a pass", () => {
  expect(everyChoice(askTen, { runsMax: 10 })).toBe(10);
  expect(() => everyChoice(askTen, { runsMax: 9 })).toThrow(
    "SIM_CHOICES_TOO_MANY: 9 runs were not",
  );
});

test("a body that asks other questions the next time is found out", () => {
  let run = 0;
  expect(() =>
    everyChoice((choices) => {
      choices.choose(run++ === 0 ? 2 : 3);
      choices.flag();
    }),
  ).toThrow("the same answers lead to the same questions");

  let other = 0;
  expect(() =>
    everyChoice((choices) => {
      if (other++ === 1) return;
      choices.flag();
      choices.flag();
    }),
  ).toThrow("the same answers lead to the same questions");
});

test("questions without answers, and endless questions, are mistakes", () => {
  expect(() => everyChoice((choices) => void choices.choose(0))).toThrow("at least one answer");
  expect(() =>
    everyChoice((choices) => {
      for (let at = 0; at <= CHOICES_MAX; at++) choices.choose(1);
    }),
  ).toThrow("bounded number of questions");
});

test("bodies that wait run one at a time", async () => {
  const seen: number[] = [];
  const runs = await everyChoiceAsync(async (choices) => {
    const answer = choices.choose(3);
    await Promise.resolve();
    seen.push(answer);
  });

  expect(runs).toBe(3);
  expect(seen).toEqual([0, 1, 2]);
  await expect(
    everyChoiceAsync((choices) => Promise.reject(new Error(`no ${choices.choose(2)}`))),
  ).rejects.toThrow("run 1 fails: no 0");
});
