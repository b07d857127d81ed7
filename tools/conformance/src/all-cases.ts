import { COLLECTION_CASES } from "./cases/collection-cases.ts";
import { DATABASE_CASES } from "./cases/database-cases.ts";
import { FIND_CASES } from "./cases/find-cases.ts";
import { KEY_CASES } from "./cases/key-cases.ts";
import { SCAN_CASES } from "./cases/scan-cases.ts";
import { HERMITAGE_CASES } from "./cases/hermitage-cases.ts";
import { TRANSACTION_CASES } from "./cases/transaction-cases.ts";
import { TRANSACTION_END_CASES } from "./cases/transaction-end-cases.ts";
import { VALUE_CASES } from "./cases/value-cases.ts";
import { type ConformanceCase } from "./conformance-case.ts";

/** The suite. */
export const ALL_CASES: readonly ConformanceCase[] = [
  ...KEY_CASES,
  ...SCAN_CASES,
  ...VALUE_CASES,
  ...COLLECTION_CASES,
  ...FIND_CASES,
  ...DATABASE_CASES,
  ...TRANSACTION_CASES,
  ...TRANSACTION_END_CASES,
  ...HERMITAGE_CASES,
];
