import { type Ciphers } from "./ciphers.ts";
import { type Clock } from "./clock.ts";
import { type Compressors } from "./compressors.ts";
import { type Disk } from "./disk.ts";
import { type Network } from "./network.ts";
import { type Random } from "./random.ts";
import { type TestHooks } from "./test-hooks.ts";
import { type Trace } from "./trace.ts";

/**
 * Everything a component may know of the world outside its arguments. `@kvs/node` gives the real
 * one, `@kvs/sim` one that follows from a seed; components take it as their first argument and
 * touch nothing else, so the same code runs in both.
 *
 * Clock, random, disk and network are the four sources of chance. Ciphers and compressors are
 * pure; they are here because their implementations belong to the platform.
 */
export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly ciphers: Ciphers;
  readonly compressors: Compressors;
  readonly trace: Trace;
  readonly hooks: TestHooks;
}
