export * from "../src/index.ts";
export { open } from "./open.ts";
