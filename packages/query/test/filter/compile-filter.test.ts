import { type DocumentObject } from "@kvs/codec";
import { describe, expect, test } from "vitest";
import { compileFilter, parseFilter } from "../../src/index.ts";

/** A filter, what it matches and what it does not. */
type Case = readonly [filter: unknown, matching: readonly unknown[], others: readonly unknown[]];

function isMatch(filter: unknown, document: unknown): boolean {
  return compileFilter(parseFilter(filter))(document as DocumentObject);
}

function check(cases: readonly Case[]): void {
  for (const [filter, matching, others] of cases) {
    for (const document of matching) {
      expect.soft({ filter, document, is: isMatch(filter, document) }).toEqual({
        filter,
        document,
        is: true,
      });
    }
    for (const document of others) {
      expect.soft({ filter, document, is: isMatch(filter, document) }).toEqual({
        filter,
        document,
        is: false,
      });
    }
  }
}

describe("MongoDB's manual", () => {
  const inventory = [
    { _id: 1, item: { name: "ab", code: "123" }, qty: 15, tags: ["A", "B", "C"] },
    { _id: 2, item: { name: "cd", code: "123" }, qty: 20, tags: ["B"] },
    { _id: 3, item: { name: "ij", code: "456" }, qty: 25, tags: ["A", "B"] },
    { _id: 4, item: { name: "xy", code: "456" }, qty: 30, tags: ["B", "A"] },
    { _id: 5, item: { name: "mn", code: "000" }, qty: 20, tags: [["A", "B"], "C"] },
  ];
  const ids = (filter: unknown, documents: readonly { _id: unknown }[] = inventory) =>
    documents.filter((document) => isMatch(filter, document)).map(({ _id }) => _id);

  test("$eq: values, members of embedded documents, elements, whole arrays", () => {
    expect(ids({ qty: { $eq: 20 } })).toEqual([2, 5]);
    expect(ids({ qty: 20 })).toEqual([2, 5]);
    expect(ids({ "item.name": { $eq: "ab" } })).toEqual([1]);
    expect(ids({ tags: { $eq: "B" } })).toEqual([1, 2, 3, 4]);
    expect(ids({ tags: { $eq: ["A", "B"] } })).toEqual([3, 5]);
  });

  test("$all equals the elements, or the whole array when nested", () => {
    const clothes = [
      { _id: "x", tags: ["school", "book", "bag", "headphone", "appliance"] },
      { _id: "y", tags: ["appliance", "school", "book"] },
      { _id: "z", tags: ["school", "book"] },
      { _id: "w", tags: [["ssl", "security"], "school"] },
      { _id: "v", tags: ["ssl", "security"] },
    ];
    expect(ids({ tags: { $all: ["appliance", "school", "book"] } }, clothes)).toEqual(["x", "y"]);
    expect(ids({ tags: { $all: [["ssl", "security"]] } }, clothes)).toEqual(["w", "v"]);
    expect(ids({ qty: { $all: [20] } })).toEqual([2, 5]);
  });

  test("$elemMatch asks one element for all of its conditions", () => {
    const scores = [
      { _id: 1, results: [82, 85, 88] },
      { _id: 2, results: [75, 88, 89] },
    ];
    expect(ids({ results: { $elemMatch: { $gte: 80, $lt: 85 } } }, scores)).toEqual([1]);

    const survey = [
      {
        _id: 1,
        results: [
          { product: "abc", score: 10 },
          { product: "xyz", score: 5 },
        ],
      },
      {
        _id: 2,
        results: [
          { product: "abc", score: 8 },
          { product: "xyz", score: 7 },
        ],
      },
      {
        _id: 3,
        results: [
          { product: "abc", score: 7 },
          { product: "xyz", score: 8 },
        ],
      },
      {
        _id: 4,
        results: [
          { product: "abc", score: 7 },
          { product: "def", score: 8 },
        ],
      },
    ];
    const both = { product: "xyz", score: { $gte: 8 } };
    expect(ids({ results: { $elemMatch: both } }, survey)).toEqual([3]);
    expect(ids({ results: { $elemMatch: { product: { $ne: "xyz" } } } }, survey)).toEqual([
      1, 2, 3, 4,
    ]);
    expect(ids({ "results.product": { $ne: "xyz" } }, survey)).toEqual([4]);
  });

  test("conditions on an array may be met by different elements", () => {
    const inventoryBySize = [
      { _id: 1, dim_cm: [14, 21] },
      { _id: 2, dim_cm: [22.85, 30] },
      { _id: 3, dim_cm: [10, 15.25] },
    ];
    expect(ids({ dim_cm: { $gt: 15, $lt: 20 } }, inventoryBySize)).toEqual([1, 3]);
    expect(ids({ dim_cm: { $elemMatch: { $gt: 22, $lt: 30 } } }, inventoryBySize)).toEqual([2]);
    expect(ids({ "dim_cm.1": { $gt: 25 } }, inventoryBySize)).toEqual([2]);
    expect(ids({ dim_cm: { $size: 2 } }, inventoryBySize)).toEqual([1, 2, 3]);
  });

  test("null matches null and missing; $type 10 and $exists tell them apart", () => {
    const documents = [{ _id: 1, item: null }, { _id: 2 }];
    expect(ids({ item: null }, documents)).toEqual([1, 2]);
    expect(ids({ item: { $ne: null } }, documents)).toEqual([]);
    expect(ids({ item: { $type: 10 } }, documents)).toEqual([1]);
    expect(ids({ item: { $exists: false } }, documents)).toEqual([2]);
  });

  test("embedded documents are equal with the same members in the same order", () => {
    const documents = [{ _id: 1, size: { h: 14, w: 21, uom: "cm" } }];
    expect(ids({ size: { h: 14, w: 21, uom: "cm" } }, documents)).toEqual([1]);
    expect(ids({ size: { w: 21, h: 14, uom: "cm" } }, documents)).toEqual([]);
    expect(ids({ size: { h: 14, w: 21 } }, documents)).toEqual([]);
    expect(ids({ "size.uom": "cm" }, documents)).toEqual([1]);
  });

  test("$type of an array: of the elements, and of the array itself", () => {
    const documents = [
      { _id: 1, data: "x" },
      { _id: 2, data: ["x", 1] },
      { _id: 3, data: [[1]] },
      { _id: 4, data: 2.5 },
    ];
    expect(ids({ data: { $type: "string" } }, documents)).toEqual([1, 2]);
    expect(ids({ data: { $type: "array" } }, documents)).toEqual([2, 3]);
    expect(ids({ data: { $type: ["int", "double"] } }, documents)).toEqual([2, 4]);
    expect(ids({ data: { $type: "number" } }, documents)).toEqual([2, 4]);
  });

  test("$regex, and $in with regular expressions", () => {
    const products = [
      { _id: 100, sku: "abc123", description: "Single line description." },
      { _id: 101, sku: "abc789", description: "First line\nSecond line" },
      { _id: 102, sku: "xyz456", description: "Many spaces before     line" },
      { _id: 103, sku: "xyz789", description: "Multiple\nline description" },
      { _id: 104, sku: "Abc789", description: "SKU starts with A" },
    ];
    expect(ids({ sku: { $regex: "789$" } }, products)).toEqual([101, 103, 104]);
    expect(ids({ sku: { $regex: "^ABC", $options: "i" } }, products)).toEqual([100, 101, 104]);
    expect(ids({ description: { $regex: "^S", $options: "m" } }, products)).toEqual([
      100, 101, 104,
    ]);
    expect(ids({ description: { $regex: "^S" } }, products)).toEqual([100, 104]);
    expect(ids({ description: { $regex: "m.*line", $options: "si" } }, products)).toEqual([
      102, 103,
    ]);
    expect(ids({ description: { $regex: "m.*line", $options: "i" } }, products)).toEqual([102]);
    const commented = "abc #category code\n123 #item number";
    expect(ids({ sku: { $regex: commented, $options: "x" } }, products)).toEqual([100]);
    expect(ids({ sku: { $in: [/^xyz4/, "Abc789"] } }, products)).toEqual([102, 104]);
    expect(ids({ sku: { $not: /^abc/i } }, products)).toEqual([102, 103]);
    expect(ids({ sku: { $not: { $regex: "^abc" } } }, products)).toEqual([102, 103, 104]);
    expect(ids({ sku: /^xyz/ }, products)).toEqual([102, 103]);
  });
});

test("comparisons hold within one type", () => {
  check([
    [{ a: { $gt: 5 } }, [{ a: 6 }, { a: [1, 6] }, { a: 2n ** 60n }], [{ a: 5 }, { a: "6" }, {}]],
    [{ a: { $gte: "b" } }, [{ a: "b" }, { a: "c" }], [{ a: "a" }, { a: 9 }, { a: null }]],
    [{ a: { $lt: true } }, [{ a: false }], [{ a: true }, { a: 0 }, { a: -1 }]],
    [{ a: { $lte: new Date(5) } }, [{ a: new Date(5) }, { a: new Date(-1) }], [{ a: 3 }]],
    [{ a: { $gt: Uint8Array.of(9) } }, [{ a: Uint8Array.of(0, 0) }], [{ a: Uint8Array.of(9) }]],
    [{ a: { $lt: { b: 2 } } }, [{ a: { b: 1 } }, { a: {} }], [{ a: { b: 2 } }, { a: [1] }]],
    [
      { a: { $gte: [1, 2] } },
      [{ a: [1, 2] }, { a: [2] }, { a: [1, 2, 0] }],
      [{ a: [1] }, { a: 5 }],
    ],
  ]);
});

test("null is equal to null and missing, and neither less nor greater", () => {
  const without = [{}, { a: null }, { a: [null] }];
  check([
    [{ a: null }, without, [{ a: 0 }, { a: [] }, { a: "" }, { a: false }]],
    [{ a: { $gte: null } }, without, [{ a: 0 }]],
    [{ a: { $lte: null } }, without, [{ a: 0 }]],
    [{ a: { $gt: null } }, [], [...without, { a: 0 }]],
    [{ a: { $lt: null } }, [], [...without, { a: 0 }]],
    [{ a: { $in: [null, 1] } }, [...without, { a: 1 }], [{ a: 0 }, { a: [] }]],
    [{ a: { $nin: [null] } }, [{ a: 0 }, { a: [] }], without],
    [{ a: { $all: [null] } }, without, [{ a: 1 }]],
  ]);
});

test("paths through arrays find what is missing, as MongoDB's own tests of null state", () => {
  // jstests/core/query/null_query_semantics.js
  check([
    [
      { "a.b": { $eq: null } },
      [{ a: {} }, { a: null }, { a: 4 }, { a: { b: null } }, {}, { a: [{ b: 3 }, {}] }],
      [{ a: [] }, { a: [[]] }, { a: [1, "x"] }, { a: [{ b: 1 }] }, { a: { b: 4 } }],
    ],
    [
      { "a.b": { $exists: false } },
      [{ a: {} }, { a: null }, { a: 4 }, {}, { a: [] }, { a: [[]] }, { a: [1] }, { a: [{}] }],
      [{ a: { b: null } }, { a: [{ b: 3 }, {}] }],
    ],
    [{ "a.b": { $ne: null } }, [{ a: [] }, { a: { b: 1 } }, { a: [1] }], [{}, { a: [{}] }]],
  ]);
});

test("a part of a path that is an index names a position, and still a member", () => {
  check([
    [
      { "a.1": 7 },
      [{ a: [5, 7] }, { a: { 1: 7 } }, { a: [{ 1: 7 }] }],
      [{ a: [7] }, { a: [5, 6] }],
    ],
    // It ends at the position: an array there is compared as a whole.
    [{ "a.1": 2 }, [], [{ a: [5, [2, 4], 3] }]],
    [{ "a.1": [2, 4] }, [{ a: [5, [2, 4], 3] }], []],
    [{ "a.1.b": 4 }, [{ a: [5, { b: 4 }] }, { a: [5, [{ b: 4 }]] }], [{ a: [{ b: 4 }, 5] }]],
    [{ "a.1.0": 7 }, [{ a: [5, [7]] }], [{ a: [5, 7] }]],
    // Beside the position, each document in the array is asked for a member of this name.
    [{ "a.0": null }, [{ a: [5, { b: 1 }] }], [{ a: [5, 6] }]],
    [{ "a.01": 7 }, [{ a: { "01": 7 } }], [{ a: [5, 7] }]],
    [{ "a.length": 2 }, [{ a: { length: 2 } }], [{ a: [5, 7] }]],
  ]);
});

test("arrays within arrays are not gone through", () => {
  check([
    [{ a: 1 }, [{ a: [1] }], [{ a: [[1]] }]],
    [{ a: [1] }, [{ a: [1] }, { a: [[1], 2] }], [{ a: [[[1]]] }]],
    [{ "a.b": 1 }, [{ a: [{ b: 1 }] }, { a: [{ b: [1] }] }], [{ a: [[{ b: 1 }]] }]],
    // $elemMatch takes an inner array for a document whose names are its positions.
    [{ a: { $elemMatch: { 0: 1 } } }, [{ a: [[1]] }], [{ a: [1] }, { a: [[2]] }]],
    [{ a: { $elemMatch: { b: null } } }, [{ a: [[1]] }, { a: [{}] }], [{ a: [1] }]],
    [{ a: { $elemMatch: { length: 1 } } }, [], [{ a: [[1]] }]],
    [{ a: { $elemMatch: { $elemMatch: { $gt: 1 } } } }, [{ a: [[2]] }], [{ a: [2] }]],
  ]);
});

test("$elemMatch of values: $not, $in, $exists, $type and expressions ask the element", () => {
  check([
    [
      { a: { $elemMatch: { $not: { $gt: 1 } } } },
      [{ a: [1, 5] }, { a: ["x"] }],
      [{ a: [2] }, { a: 1 }],
    ],
    [{ a: { $elemMatch: { $ne: 1 } } }, [{ a: [1, 2] }], [{ a: [1] }, { a: [] }, {}]],
    [{ a: { $elemMatch: { $in: [/^x/] } } }, [{ a: ["xy"] }], [{ a: "xy" }]],
    [{ a: { $elemMatch: { $exists: true } } }, [{ a: [null] }], [{ a: [] }]],
    // A scalar has no members, not even one that is missing.
    [{ a: { $elemMatch: { b: null } } }, [], [{ a: [0, "x"] }]],
    [{ a: { $elemMatch: {} } }, [{ a: [{}] }, { a: [[]] }], [{ a: [1] }, { a: {} }]],
    [
      { a: { $elemMatch: { $or: [{ b: 1 }, { c: 1 }] } } },
      [{ a: [{ c: 1 }] }],
      [{ a: [{ d: 1 }] }],
    ],
    [
      { a: { $all: [{ $elemMatch: { b: 1 } }, { $elemMatch: { b: 2 } }] } },
      [{ a: [{ b: 1 }, { b: 2 }] }],
      [{ a: [{ b: 1 }] }],
    ],
    [{ a: { $all: [/x/, "y"] } }, [{ a: ["ax", "y"] }], [{ a: ["ax"] }]],
    [{ a: { $all: [] } }, [], [{}, { a: [] }]],
  ]);
});

test("$size counts the elements of arrays only", () => {
  check([
    [{ a: { $size: 0 } }, [{ a: [] }], [{ a: [1] }, {}, { a: "" }, { a: { length: 0 } }]],
    [{ a: { $size: 2n } }, [{ a: [1, 2] }], [{ a: [[1, 2]] }]],
    [{ "a.b": { $size: 1 } }, [{ a: [{ b: [1] }] }, { a: { b: [[1, 2]] } }], [{ a: [{ b: 1 }] }]],
  ]);
});

test("numbers compare by value, whatever their type", () => {
  check([
    [{ a: 5n }, [{ a: 5 }, { a: 5n }], [{ a: "5" }]],
    [{ a: 2n ** 53n }, [{ a: 2 ** 53 }, { a: 2n ** 53n }], [{ a: 2n ** 53n + 1n }]],
    [{ a: 2 ** 53 }, [{ a: 2n ** 53n }], [{ a: 2n ** 53n + 1n }]],
    [{ a: { $gt: 2 ** 53 } }, [{ a: 2n ** 53n + 1n }], [{ a: 2n ** 53n }]],
    [
      { a: { $in: [2n ** 53n, 2n ** 60n + 1n] } },
      [{ a: 2 ** 53 }, { a: 2n ** 60n + 1n }],
      [{ a: 2 ** 60 }],
    ],
    [{ a: 0 }, [{ a: -0 }], [{ a: false }, { a: "" }]],
    [{ a: { $in: [-0] } }, [{ a: 0 }], []],
  ]);
});

test("NaN equals NaN, and is neither less nor greater than a number", () => {
  check([
    [{ a: NaN }, [{ a: NaN }], [{ a: 0 }, {}]],
    [{ a: { $lte: NaN } }, [{ a: NaN }], [{ a: 0 }]],
    [{ a: { $gt: NaN } }, [], [{ a: NaN }, { a: 0 }]],
    [{ a: { $lt: 5 } }, [], [{ a: NaN }]],
    [{ a: { $in: [NaN] } }, [{ a: NaN }], [{ a: 0 }]],
    [{ a: { $ne: NaN } }, [{ a: 0 }, {}], [{ a: NaN }]],
  ]);
});

test("$in finds values of every type, whole arrays among them", () => {
  const values = [[1, 2], { b: 1 }, new Date(7), Uint8Array.of(1), "x", true, 3];
  check([
    [
      { a: { $in: values } },
      [...values.map((a) => ({ a })), { a: [9, "x"] }, { a: [[1, 2]] }],
      [
        { a: [2, 1] },
        { a: { b: 2 } },
        { a: new Date(8) },
        { a: Uint8Array.of(2) },
        { a: false },
        {},
      ],
    ],
    [{ a: { $in: [] } }, [], [{}, { a: null }]],
    [{ a: { $nin: [] } }, [{}, { a: 1 }], []],
  ]);
});

test("$type knows the numbers that MongoDB's driver would store", () => {
  check([
    [
      { a: { $type: "int" } },
      [{ a: 1 }, { a: -(2 ** 31) }],
      [{ a: 2 ** 31 }, { a: 1.5 }, { a: -0 }],
    ],
    [{ a: { $type: "double" } }, [{ a: 1.5 }, { a: 2 ** 31 }, { a: -0 }, { a: NaN }], [{ a: 1 }]],
    [{ a: { $type: "long" } }, [{ a: 2n ** 53n }], [{ a: 1 }]],
    [{ a: { $type: "binData" } }, [{ a: Uint8Array.of() }], [{ a: [] }]],
    [{ a: { $type: 9 } }, [{ a: new Date(0) }], [{ a: 0 }]],
    [{ a: { $type: "objectId" } }, [], [{ a: "507f1f77bcf86cd799439011" }, {}]],
  ]);
});

test("logical operators combine filters", () => {
  const both = { $and: [{ a: 1 }, { b: 1 }] };
  check([
    [both, [{ a: 1, b: 1 }], [{ a: 1 }, { b: 1 }]],
    [{ $or: [{ a: 1 }, { b: 1 }, { c: 1 }] }, [{ a: 1 }, { b: 1 }, { c: 1 }], [{ d: 1 }]],
    [{ $nor: [{ a: 1 }, both] }, [{ b: 1 }, {}], [{ a: 1 }]],
    [{ a: { $not: { $gt: 1, $lt: 5 } } }, [{ a: 1 }, { a: "x" }, {}], [{ a: 2 }, { a: [0, 9] }]],
    [{ $and: [{}] }, [{}], []],
    [{}, [{}, { a: 1 }], []],
    [{ a: 1, b: 2, c: 3 }, [{ a: 1, b: 2, c: 3 }], [{ a: 1, b: 2 }]],
  ]);
});

test("names of the prototype are data like any other", () => {
  const own: unknown = JSON.parse('{"__proto__": {"x": 1}, "constructor": {"name": "c"}}');
  check([
    [JSON.parse('{"__proto__.x": 1}'), [own], [{}, { a: 1 }]],
    [{ constructor: { $exists: true } }, [own], [{}]],
    [{ "constructor.name": "Object" }, [], [{}]],
    [{ "constructor.name": "c" }, [own], [{}]],
    [JSON.parse('{"a": {"__proto__": 1}}'), [JSON.parse('{"a": {"__proto__": 1}}')], [{ a: {} }]],
    [{ toString: null }, [{}], [{ toString: 1 }]],
    [{ "a.constructor": null }, [{ a: {} }], [{ a: { constructor: 1 } }]],
  ]);
  expect("x" in {}).toBe(false);
});

test("a tree that no parser gives is a bug of the caller", () => {
  const element = { type: "element", test: { type: "exists" } } as const;
  const field = { type: "field", path: "a", test: { type: "exists" } } as const;
  expect(() => compileFilter(element)).toThrow("a test of elements");
  for (const inner of [field, { type: "nor", filters: [element] }] as const) {
    const elemMatch = { type: "elemMatch", of: "values", filter: inner } as const;
    expect(() => compileFilter({ type: "field", path: "a", test: elemMatch })).toThrow(
      "asks nothing of fields",
    );
  }
});
