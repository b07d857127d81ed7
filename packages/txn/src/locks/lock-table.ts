import { type Clock, type KvsError, type Timer, assert } from "@kvs/env";
import { type DeadlockStep, deadlockError, lockTimeoutError, tooManyWaits } from "./lock-error.ts";
import { findWaitCycle } from "./wait-graph.ts";

/** Waits at the same time: beyond it new ones are refused. A wait takes some 300 bytes. */
const LOCK_WAITS_MAX = 100_000;

/** A waiter that holds more keys than this is looked for in the graph without a glance at them. */
const GLANCE_KEYS_MAX = 64;

/** Who holds and waits for locks: one transaction. */
export interface LockOwner {
  /** For messages. */
  readonly id: string;
  /** When it began, as a number that grows: of a circle the one with the largest is rolled back. */
  readonly age: number;
  /**
   * It was chosen to end a deadlock: called in the turn in which that came about. It must give up all
   * its locks (`releaseAll`) before it returns.
   */
  onVictim(error: KvsError): void;
}

export interface LockRequest {
  readonly owner: LockOwner;
  /** The key's name in this table. */
  readonly key: string;
  /** How long to wait at most; 0: not at all. */
  readonly timeoutMs: number;
  /** Tells where in the user's code the key is asked for; called only if it has to wait. */
  readonly site?: (() => string | undefined) | undefined;
}

export interface LockTableOptions {
  readonly clock: Clock;
  /** A key's name for people; default: as text in quotes. */
  readonly describeKey?: (key: string) => string;
  /** Sabotage: a victim's locks stay. */
  readonly keepsVictimLocks?: boolean;
  /** Sabotage: nobody is told that a lock came free. */
  readonly losesWakeUps?: boolean;
  /** Sabotage: circles are not looked for. */
  readonly ignoresCycles?: boolean;
}

/** One that waits for one key. */
export interface Wait {
  readonly owner: LockOwner;
  readonly lock: Lock;
  readonly site: string | undefined;
  readonly resolve: () => void;
  readonly reject: (error: KvsError) => void;
  timer: Timer | undefined;
}

/** A key that somebody holds and somebody waits for, or waited. */
export class Lock {
  readonly key: string;
  holder: LockOwner;
  readonly queue: Wait[] = [];

  constructor(key: string, holder: LockOwner) {
    this.key = key;
    this.holder = holder;
  }
}

/**
 * Exclusive locks on keys, first come, first served, held by transactions until they end.
 *
 * 1. A lock passes to whoever waits for it longest; nobody overtakes.
 * 2. Whoever holds a lock gets it again at once.
 * 3. A wait that would close a circle of waits is noticed in the call that begins it: of each circle
 *    the youngest transaction, and no other, is rolled back.
 * 4. A wait ends: with the lock, with `TXN_DEADLOCK`, or with `TXN_LOCK_TIMEOUT`.
 *
 * Cost: an entry of a map for each key held; a search along the circle for each wait, nothing where
 * nobody waits.
 */
export class LockTable {
  readonly #options: LockTableOptions;
  readonly #describeKey: (key: string) => string;
  /** By key: who holds it, or a lock with a queue once somebody has waited. */
  readonly #locks = new Map<string, LockOwner | Lock>();
  readonly #held = new Map<LockOwner, string[]>();
  readonly #waits = new Map<LockOwner, Wait[]>();
  #waitCount = 0;
  #deadlockCount = 0;

  constructor(options: LockTableOptions) {
    this.#options = options;
    this.#describeKey = options.describeKey ?? ((key) => JSON.stringify(key));
  }

  /** Keys that are held. */
  get heldCount(): number {
    return this.#locks.size;
  }

  get waitCount(): number {
    return this.#waitCount;
  }

  /** Deadlocks found since the table was made. */
  get deadlockCount(): number {
    return this.#deadlockCount;
  }

  holds(owner: LockOwner, key: string): boolean {
    return this.#holderOf(key) === owner;
  }

  /** Whether anybody but this one holds the key. */
  isHeldByOther(owner: LockOwner | undefined, key: string): boolean {
    const holder = this.#holderOf(key);
    return holder !== undefined && holder !== owner;
  }

  /**
   * Locks a key.
   *
   * @returns `undefined` if it is held now; else a promise that resolves when it is.
   * @throws {KvsError} `TXN_DEADLOCK`, `TXN_LOCK_TIMEOUT`, `TXN_TOO_MANY_WAITS` (retryable, outcome
   *   none): through the promise.
   */
  acquire(request: LockRequest): Promise<void> | undefined {
    const { owner, key } = request;
    const found = this.#locks.get(key);
    if (found === undefined) {
      this.#locks.set(key, owner);
      this.#noteHeld(owner, key);
      return undefined;
    }
    if (found instanceof Lock)
      return found.holder === owner ? undefined : this.#wait(found, request);
    if (found === owner) return undefined;
    const lock = new Lock(key, found);
    this.#locks.set(key, lock);
    return this.#wait(lock, request);
  }

  /** Unlocks one key. */
  release(owner: LockOwner, key: string): void {
    assert(this.holds(owner, key), "only a lock that is held is released");
    const held = this.#held.get(owner)!;
    held.splice(held.indexOf(key), 1);
    if (held.length === 0) this.#held.delete(owner);
    this.#passOn(key);
  }

  /**
   * Unlocks all that a transaction holds, and ends its waits.
   *
   * @param error Makes what its waits are told; called only if it has any.
   */
  releaseAll(owner: LockOwner, error?: () => KvsError): void {
    const waits = this.#waits.get(owner);
    if (waits !== undefined) {
      assert(error !== undefined, "who waits is told why it ends");
      const told = error();
      for (const wait of waits.slice()) {
        this.#endWait(wait);
        wait.reject(told);
      }
    }
    const held = this.#held.get(owner);
    if (held === undefined) return;
    this.#held.delete(owner);
    for (const key of held) this.#passOn(key);
  }

  /** Gives all that one holds to another, who may hold others already. Neither waits. */
  transfer(from: LockOwner, to: LockOwner): void {
    assert(!this.#waits.has(from) && !this.#waits.has(to), "nobody who waits hands over locks");
    const held = this.#held.get(from);
    if (held === undefined) return;
    this.#held.delete(from);
    for (const key of held) {
      const lock = this.#locks.get(key);
      if (lock instanceof Lock) lock.holder = to;
      else this.#locks.set(key, to);
      this.#noteHeld(to, key);
    }
  }

  /** For each transaction that waits: for what, and for whom. */
  describeWaits(): DeadlockStep[] {
    return [...this.#waits.values()].flat().map((wait) => this.#stepOf(wait, wait.lock.holder));
  }

  #wait(lock: Lock, { owner, timeoutMs, site }: LockRequest): Promise<void> {
    if (this.#waitCount >= LOCK_WAITS_MAX) {
      return Promise.reject(tooManyWaits(owner.id, LOCK_WAITS_MAX));
    }
    return new Promise((resolve, reject) => {
      const wait: Wait = { owner, lock, site: site?.(), resolve, reject, timer: undefined };
      lock.queue.push(wait);
      const waits = this.#waits.get(owner);
      if (waits === undefined) this.#waits.set(owner, [wait]);
      else waits.push(wait);
      this.#waitCount++;
      wait.timer = this.#options.clock.schedule(timeoutMs, () => this.#timeOut(wait, timeoutMs));
      if (this.#options.ignoresCycles !== true && this.#mayBeWaitedFor(owner)) {
        this.#breakCycles(owner);
      }
    });
  }

  /** Whether anybody may wait for one who has just begun to wait, at the end of a queue. */
  #mayBeWaitedFor(owner: LockOwner): boolean {
    if (this.#waits.get(owner)!.length > 1) return true;
    const held = this.#held.get(owner);
    if (held === undefined) return false;
    if (held.length > GLANCE_KEYS_MAX) return true;
    return held.some((key) => {
      const lock = this.#locks.get(key);
      return lock instanceof Lock && lock.queue.length > 0;
    });
  }

  /** Rolls back the youngest of each circle that this one's wait has closed. */
  #breakCycles(owner: LockOwner): void {
    for (;;) {
      const cycle = findWaitCycle(owner, (waiter) => this.#waits.get(waiter) ?? []);
      if (cycle === undefined) return;
      this.#deadlockCount++;
      const steps = cycle.map(({ wait, waitsFor }) => this.#stepOf(wait, waitsFor));
      const owners = cycle.map(({ wait }) => wait.owner);
      const victim = owners.reduce((a, b) => (b.age > a.age ? b : a));
      const error = deadlockError(victim.id, steps);
      if (this.#options.keepsVictimLocks === true) {
        const [wait] = this.#waits.get(victim)!;
        this.#endWait(wait!);
        wait!.reject(error);
        continue;
      }
      victim.onVictim(error);
      assert(!this.#waits.has(victim), "a victim gives up its locks and waits at once");
      assert(!this.#held.has(victim), "a victim gives up its locks and waits at once");
    }
  }

  #timeOut(wait: Wait, timeoutMs: number): void {
    const { owner, lock } = wait;
    this.#endWait(wait);
    const key = this.#describeKey(lock.key);
    const holder = lock.holder.id;
    wait.reject(lockTimeoutError({ transaction: owner.id, key, holder, timeoutMs }));
  }

  #holderOf(key: string): LockOwner | undefined {
    const found = this.#locks.get(key);
    return found instanceof Lock ? found.holder : found;
  }

  /** Gives a key to the first that waits for it. */
  #passOn(key: string): void {
    const lock = this.#locks.get(key);
    const next = lock instanceof Lock ? lock.queue[0] : undefined;
    if (next === undefined || this.#options.losesWakeUps === true) {
      this.#locks.delete(key);
      return;
    }
    next.lock.holder = next.owner;
    this.#noteHeld(next.owner, key);
    for (const wait of next.lock.queue.filter(({ owner }) => owner === next.owner)) {
      this.#endWait(wait); // it may have asked twice
      wait.resolve();
    }
  }

  #endWait(wait: Wait): void {
    wait.timer?.cancel();
    const { queue } = wait.lock;
    queue.splice(queue.indexOf(wait), 1);
    const waits = this.#waits.get(wait.owner)!;
    waits.splice(waits.indexOf(wait), 1);
    if (waits.length === 0) this.#waits.delete(wait.owner);
    this.#waitCount--;
  }

  #noteHeld(owner: LockOwner, key: string): void {
    const held = this.#held.get(owner);
    if (held === undefined) this.#held.set(owner, [key]);
    else held.push(key);
  }

  #stepOf({ owner, lock, site }: Wait, waitsFor: LockOwner): DeadlockStep {
    return {
      transaction: owner.id,
      key: this.#describeKey(lock.key),
      waitsFor: waitsFor.id,
      site,
    };
  }
}
