export { Level, type LevelOptions } from "./level.ts";
