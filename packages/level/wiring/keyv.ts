export { KvsKeyv } from "./kvs-keyv.ts";
