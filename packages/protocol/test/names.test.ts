import { expect, test } from "vitest";
import { checkCollectionName, checkDatabaseName } from "../src/names.ts";

test("names of databases", () => {
  for (const name of ["a", "default", "A-1_b", "x".repeat(64)]) checkDatabaseName(name);
  for (const name of ["", "a.b", "a/b", "..", "é", "a b", "x".repeat(65), "a\n"]) {
    expect(() => checkDatabaseName(name), name).toThrow("BAD_DATABASE_NAME");
  }
});

test("names of collections", () => {
  for (const name of ["a", "users.v2", "A-1_b", "x".repeat(128)]) checkCollectionName(name);
  for (const name of ["", "a/b", "$x", "é", "x".repeat(129), "a\0"]) {
    expect(() => checkCollectionName(name), name).toThrow("QUERY_BAD_NAME");
  }
});
