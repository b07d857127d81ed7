export { open } from "./open.ts";
export { type OpenOptions, type OpenedStore, openEngine } from "../src/database/open-database.ts";
export { type QueryErrorCode } from "../src/query-error.ts";
