/**
 * Which configuration is in force.
 *
 * A node uses the latest configuration in its log, committed or not (§6). So the configurations of
 * the log are a stack: entries that are cut off take theirs with them, and the one before is in
 * force again (REL-R14).
 */
import { assert } from "@kvs/env";

import { type Configuration, isVoter } from "./configuration.ts";
import { type LogIndex, type NodeId } from "./ids.ts";
import { type ConfigurationAt } from "./log-store.ts";

export class Membership {
  /** Ascending; the first is in force at the log's base. */
  #stack: ConfigurationAt[];

  constructor(baseIndex: LogIndex, base: Configuration, later: readonly ConfigurationAt[]) {
    this.#stack = [{ index: baseIndex, configuration: base }, ...later];
  }

  get current(): Configuration {
    return this.#stack.at(-1)!.configuration;
  }

  /** The entry that brought the current configuration. */
  get currentIndex(): LogIndex {
    return this.#stack.at(-1)!.index;
  }

  /** The configuration in force at `index`, which is not before the base. */
  at(index: LogIndex): Configuration {
    const found = this.#stack.findLast((each) => each.index <= index);
    assert(found !== undefined, "the configuration at the base is known");
    return found.configuration;
  }

  /**
   * Whether the node votes in the configuration in force at `index`, or in a later one. A node that
   * is about to be removed may still be needed to lead, until its removal is committed: its log may be
   * the only one that the others' votes allow (dissertation §4.2.2).
   */
  isVoterSince(index: LogIndex, node: NodeId): boolean {
    const first = this.#stack.findLastIndex((each) => each.index <= index);
    return this.#stack.slice(Math.max(first, 0)).some((each) => isVoter(each.configuration, node));
  }

  /** How many configurations were appended behind `index`. */
  countAfter(index: LogIndex): number {
    return this.#stack.filter((each) => each.index > index).length;
  }

  /** Takes a configuration that was appended at `index` into force. */
  append(index: LogIndex, configuration: Configuration): void {
    assert(index > this.currentIndex, "configurations are appended in order");
    this.#stack.push({ index, configuration });
  }

  /** Returns to the configuration before `index`. Returns whether that is another one. */
  truncate(index: LogIndex): boolean {
    const before = this.#stack.length;
    while (this.#stack.length > 1 && this.#stack.at(-1)!.index >= index) this.#stack.pop();
    return this.#stack.length !== before;
  }

  /** Makes `index` the base. */
  compact(index: LogIndex): void {
    const configuration = this.at(index);
    const later = this.#stack.filter((each) => each.index > index);
    this.#stack = [{ index, configuration }, ...later];
  }

  /** Forgets all but the configuration of a snapshot. */
  reset(index: LogIndex, configuration: Configuration): void {
    this.#stack = [{ index, configuration }];
  }
}
