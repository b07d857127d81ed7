import { type Clock, type Random, type TurnBudget } from "@kvs/env";

import { type NodeId } from "../core/ids.ts";
import { type Message } from "../core/message.ts";
import { type DriverSabotage } from "./driver-mutants.ts";

/** What a replica needs of the process that hosts it. */
export interface NodeHost<Replica> {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: TurnBudget;
  readonly sabotage: DriverSabotage;
  readonly hasMutant: (mutant: string) => boolean;
  /** Sends at the end of this turn. */
  send(message: Message): void;
  /** Calls `turn` later in this turn, or in the next. */
  wake(node: Replica): void;
  closed(node: Replica): void;
}
