import { expect, test } from "vitest";
import { runCommand } from "../src/run-command.ts";

const cwd = import.meta.dirname;

test("output of both streams comes back without colours", async () => {
  const script = String.raw`console.log("\u001b[31mred\u001b[0m"); console.error("two");`;

  const result = await runCommand("node", ["-e", script], { cwd });

  expect(result).toEqual({ exitCode: 0, output: "red\ntwo\n" });
});

test("the exit code is the program's", async () => {
  const { exitCode } = await runCommand("node", ["-e", "process.exit(3)"], { cwd });

  expect(exitCode).toBe(3);
});

test("a program that does not exist fails and is named", async () => {
  const result = await runCommand("no-such-program", [], { cwd });

  expect(result.exitCode).toBe(127);
  expect(result.output).toContain("no-such-program");
});

test("CI is not passed on, so that checks do the same everywhere", async () => {
  process.env["CI"] = "true";
  try {
    const { output } = await runCommand("node", ["-p", "process.env.CI ?? 'absent'"], { cwd });

    expect(output).toBe("absent\n");
  } finally {
    delete process.env["CI"];
  }
});

test("aborting ends the program", async () => {
  const stop = new AbortController();
  const running = runCommand("node", ["-e", "setInterval(() => 0, 1000)"], {
    cwd,
    stop: stop.signal,
  });

  stop.abort();

  expect((await running).exitCode).not.toBe(0);
});
