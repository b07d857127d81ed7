export { KeyvStore, type KeyvPut } from "./keyv-store.ts";
export { StoreIterator } from "./store-iterator.ts";
export { StoreLevel, type StoreLevelOptions, type StoreOpenOptions } from "./store-level.ts";
export { StoreSnapshot } from "./store-snapshot.ts";
