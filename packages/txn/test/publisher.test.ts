import { expect, test } from "vitest";

import { Publisher } from "../src/publisher.ts";

test("batches become visible in order, together with all before them, and then are answered", async () => {
  const publisher = new Publisher(5);
  const seen: string[] = [];
  const answers = [6, 7, 8].map((timestamp) =>
    publisher
      .add(timestamp, timestamp * 100)
      .then((answered) => void seen.push(`${answered} at ${publisher.publishedTs}`)),
  );
  expect(publisher.pendingCount).toBe(3);

  publisher.advance(599);
  expect(publisher.publishedTs).toBe(5);
  publisher.advance(750);
  expect(publisher.publishedTs).toBe(7);
  expect(publisher.pendingCount).toBe(1);
  await answers[1];
  expect(seen).toEqual(["6 at 7", "7 at 7"]);
  publisher.advance(800);
  await Promise.all(answers);
  expect(publisher.publishedTs).toBe(8);
});

test("what is not published when the log fails is rejected, what is stays answered", async () => {
  const publisher = new Publisher(0);
  const first = publisher.add(1, 100);
  const second = publisher.add(2, 200);
  publisher.advance(100);
  publisher.fail(new Error("the log failed"));

  expect(await first).toBe(1);
  await expect(second).rejects.toThrow("the log failed");
  expect(publisher.publishedTs).toBe(1);
  expect(publisher.pendingCount).toBe(0);
});

test("thousands of batches that wait are forgotten as they are answered", async () => {
  const publisher = new Publisher(0);
  const answers: Promise<number>[] = [];
  for (let batch = 1; batch <= 10_000; batch++) answers.push(publisher.add(batch, batch));
  for (let lsn = 0; lsn <= 10_000; lsn += 7) {
    publisher.advance(lsn);
    expect(publisher.publishedTs).toBe(lsn);
    expect(publisher.pendingCount).toBe(10_000 - lsn);
  }
  publisher.advance(10_000);
  expect(await Promise.all(answers)).toHaveLength(10_000);
});
