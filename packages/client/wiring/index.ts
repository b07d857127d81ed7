export { connect } from "./connect.ts";
export { type ClientErrorCode } from "../src/client-error.ts";
export { type ClientOptions } from "../src/client-options.ts";
export { connectWith } from "../src/connect-with.ts";
