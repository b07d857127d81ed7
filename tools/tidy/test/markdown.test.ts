import { expect, test } from "vitest";
import { findHeadings, findLinks } from "../src/markdown.ts";

test("headings have the anchors of GitHub", () => {
  const text = "# One word, one meaning\n## `open()` & close\n```\n# code\n```\n### A-b_c";

  expect(findHeadings(text).map(({ anchor }) => anchor)).toEqual([
    "one-word-one-meaning",
    "open--close",
    "a-b_c",
  ]);
});

test("links are found with their lines, titles and angle brackets aside", () => {
  const text = '[a](b.md "title") ![c](<d.png>)\n\n[e]: f.md\n[g](h.md#i)';

  expect(findLinks(text)).toEqual([
    { target: "b.md", line: 1 },
    { target: "d.png", line: 1 },
    { target: "f.md", line: 3 },
    { target: "h.md#i", line: 4 },
  ]);
});
