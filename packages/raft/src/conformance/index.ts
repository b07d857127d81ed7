export {
  logStoreConformance,
  type LogStoreCase,
  type LogStoreSubject,
} from "./log-store-conformance.ts";
