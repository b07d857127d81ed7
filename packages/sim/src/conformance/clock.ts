import { type Clock, sleep, yieldTurn } from "@kvs/env";
import { check, checkSoon } from "./check.ts";

/** One checkable promise of `Clock`. */
export interface ClockCase {
  readonly name: string;
  /** Throws if the promise is broken. Takes less than a second on an idle machine. */
  readonly run: (clock: Clock) => Promise<void>;
}

/** Every promise of `Clock`; both environments keep them all. */
export function clockConformance(): readonly ClockCase[] {
  return [...readingCases(), ...timerCases(), ...cancelCases(), ...deferCases()];
}

function readingCases(): ClockCase[] {
  return [
    {
      name: "the monotonic clock never goes back, and moves between turns",
      run: async (clock) => {
        let lastMs = clock.monotonicMs();
        for (let turn = 0; turn < 200; turn++) {
          check(clock.monotonicMs() >= lastMs, "a later reading is not smaller");
          lastMs = clock.monotonicMs();
          if (turn % 50 === 0) await sleep(clock, 1);
          else await yieldTurn(clock);
          check(clock.monotonicMs() > lastMs, "time stands still only within a turn");
        }
      },
    },
    {
      name: "the monotonic clock is a number of 0 or more, and wall time a whole one",
      run: async (clock) => {
        check(clock.monotonicMs() >= 0, "the monotonic clock began before the process");
        check(Number.isFinite(clock.monotonicMs()), "the monotonic clock is a number");
        check(Number.isSafeInteger(clock.wallMs()), "wall time is a whole number");
        const before = clock.monotonicMs();
        await sleep(clock, 20);
        check(clock.monotonicMs() - before >= 20, "the monotonic clock counts milliseconds");
      },
    },
    {
      name: "waiting turn by turn lets time pass",
      run: async (clock) => {
        const endMs = clock.monotonicMs() + 3;
        let turns = 0;
        while (clock.monotonicMs() < endMs) {
          await yieldTurn(clock);
          check(++turns < 10_000_000, "three milliseconds end");
        }
      },
    },
  ];
}

function timerCases(): ClockCase[] {
  return [
    {
      name: "a timer never runs before its delay, nor inside the call that scheduled it",
      run: async (clock) => {
        for (const delayMs of [0, 0.25, 1, 1.5, 2, 7.3, 20]) {
          let isRun = false;
          const startMs = clock.monotonicMs();
          clock.schedule(delayMs, () => {
            check(clock.monotonicMs() - startMs >= delayMs, "the delay has passed");
            isRun = true;
          });
          check(!isRun, "scheduling runs nothing");
          await checkSoon(clock, "the timer runs", () => isRun);
        }
      },
    },
    {
      name: "timers run once, in the order of their due times, and of the calls among equals",
      run: async (clock) => {
        const delays = [30, 10, 0, 20, 10, 0, 30, 4, 10, 20];
        const ran: number[] = [];
        for (const [index, delayMs] of delays.entries()) {
          clock.schedule(delayMs, () => ran.push(index));
        }
        await checkSoon(clock, "all timers run", () => ran.length >= delays.length);
        await sleep(clock, 5);
        check(ran.join() === [2, 5, 7, 1, 4, 8, 3, 9, 0, 6].join(), `the order is ${ran.join()}`);
      },
    },
    {
      name: "a timer scheduled later but due earlier runs earlier",
      run: async (clock) => {
        const ran: string[] = [];
        const late = clock.schedule(10_000, () => ran.push("late"));
        await sleep(clock, 5);
        clock.schedule(5, () => ran.push("early"));
        await checkSoon(clock, "one runs", () => ran.length > 0);
        late.cancel();
        check(ran.join() === "early", "the earlier due time wins");
      },
    },
    {
      name: "microtasks run between two timers that are due together",
      run: async (clock) => {
        const ran: string[] = [];
        clock.schedule(1, () => {
          ran.push("first");
          void Promise.resolve().then(() => ran.push("between"));
        });
        clock.schedule(1, () => ran.push("second"));
        await checkSoon(clock, "all run", () => ran.length === 3);
        check(ran.join() === "first,between,second", "each timer is a turn of its own");
      },
    },
  ];
}

function cancelCases(): ClockCase[] {
  return [
    {
      name: "a cancelled timer never runs, and cancelling late does nothing",
      run: async (clock) => {
        const ran: string[] = [];
        const canceled = clock.schedule(5, () => ran.push("cancelled"));
        const kept = clock.schedule(6, () => ran.push("kept"));
        canceled.cancel();
        canceled.cancel();
        await checkSoon(clock, "the other timer runs", () => ran.length > 0);
        kept.cancel();
        await sleep(clock, 5);
        check(ran.join() === "kept", "only the timer that was not cancelled ran");
      },
    },
    {
      name: "a timer can cancel one that is due at the same time, and itself",
      run: async (clock) => {
        const ran: string[] = [];
        const first = clock.schedule(3, () => {
          ran.push("first");
          first.cancel();
          second.cancel();
        });
        const second = clock.schedule(3, () => ran.push("second"));
        await sleep(clock, 10);
        check(ran.join() === "first", "the second was cancelled in time");
      },
    },
    {
      name: "a cancelled sleep fails with its reason",
      run: async (clock) => {
        const reason = new Error("enough");
        let abort: (() => void) | undefined;
        const signal = {
          aborted: false,
          reason,
          addEventListener: (_type: "abort", listener: () => void) => {
            abort = listener;
          },
          removeEventListener: () => undefined,
        };
        const slept = sleep(clock, 60_000, signal).catch((error: unknown) => error);
        abort?.();
        check((await slept) === reason, "the reason arrives");
      },
    },
  ];
}

function deferCases(): ClockCase[] {
  return [
    {
      name: "a deferred action runs after the call, in order, before a timer that is not due",
      run: async (clock) => {
        const ran: string[] = [];
        const timer = clock.schedule(10_000, () => ran.push("timer"));
        clock.defer(() => ran.push("one"));
        clock.defer(() => ran.push("two"));
        check(ran.length === 0, "deferring runs nothing");
        await checkSoon(clock, "both run", () => ran.length >= 2);
        timer.cancel();
        check(ran.join() === "one,two", "the order holds");
      },
    },
    {
      name: "a deferred action runs after the microtasks of its turn",
      run: async (clock) => {
        const ran: string[] = [];
        clock.defer(() => ran.push("deferred"));
        void Promise.resolve()
          .then(() => ran.push("microtask"))
          .then(() => ran.push("next microtask"));
        await checkSoon(clock, "all run", () => ran.length === 3);
        check(ran.join() === "microtask,next microtask,deferred", "the turn ends first");
      },
    },
    {
      name: "what a deferred action defers runs in a later turn",
      run: async (clock) => {
        const ran: string[] = [];
        clock.defer(() => {
          clock.defer(() => ran.push("inner"));
          ran.push("outer");
          void Promise.resolve().then(() => ran.push("microtask"));
        });
        await checkSoon(clock, "all run", () => ran.length === 3);
        check(ran.join() === "outer,microtask,inner", "each is a turn of its own");
      },
    },
  ];
}
