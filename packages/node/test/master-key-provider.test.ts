import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type KeyProvider } from "@kvs/env";
import { expect, onTestFinished, test } from "vitest";
import { fileKeyProvider, newMasterKeyLine, variableKeyProvider } from "../src/index.ts";
import { tempFolder } from "./temp-folder.ts";

const DATA_KEY = Uint8Array.from({ length: 32 }, (_, at) => at);
const VARIABLE = "KVS_TEST_MASTER_KEY";

async function keyFile(...lines: readonly string[]): Promise<string> {
  const path = join(await tempFolder(), "master.keys");
  await writeFile(path, `${lines.join("\n")}\n`, { mode: 0o600 });
  return path;
}

function setVariable(text: string): KeyProvider {
  process.env[VARIABLE] = text;
  onTestFinished(() => {
    delete process.env[VARIABLE];
  });
  return variableKeyProvider(VARIABLE);
}

function codeIs(code: string): unknown {
  return expect.objectContaining({ code, outcome: "none" });
}

test("what a provider wraps it unwraps, and the wrapped key does not show the data key", async () => {
  const provider = fileKeyProvider(await keyFile(newMasterKeyLine("main")));

  const wrapped = await provider.wrap(DATA_KEY);
  const again = await provider.wrap(DATA_KEY);

  expect(await provider.unwrap(wrapped)).toEqual(DATA_KEY);
  expect(wrapped.masterKeyName).toBe("main");
  expect(Buffer.from(wrapped.bytes).includes(Buffer.from(DATA_KEY.subarray(0, 8)))).toBe(false);
  expect(again.bytes).not.toEqual(wrapped.bytes); // another nonce
});

test("the last line is the newest key, and those before still unwrap", async () => {
  const [old, fresh] = [newMasterKeyLine("2025"), newMasterKeyLine("2026")];
  const path = await keyFile("# master keys", "", old);
  const provider = fileKeyProvider(path);
  const before = await provider.wrap(DATA_KEY);
  await writeFile(path, `${old}\r\n${fresh}\n`);

  const after = await provider.wrap(DATA_KEY);

  expect([before.masterKeyName, after.masterKeyName]).toEqual(["2025", "2026"]);
  expect(await provider.unwrap(before)).toEqual(DATA_KEY);
  expect(await provider.unwrap(after)).toEqual(DATA_KEY);
});

test("a variable has the same lines, with semicolons too", async () => {
  const provider = setVariable(`${newMasterKeyLine("one")}; ${newMasterKeyLine("two")}`);

  const wrapped = await provider.wrap(DATA_KEY);

  expect(wrapped.masterKeyName).toBe("two");
  expect(await provider.unwrap(wrapped)).toEqual(DATA_KEY);
});

test("a key of the same name that is another one is refused", async () => {
  const wrapped = await setVariable(newMasterKeyLine("main")).wrap(DATA_KEY);

  const other = setVariable(newMasterKeyLine("main")).unwrap(wrapped);

  await expect(other).rejects.toThrow(codeIs("KEY_REFUSED"));
});

test("any changed byte of a wrapped key is refused", async () => {
  const provider = setVariable(newMasterKeyLine("main"));
  const { masterKeyName, bytes } = await provider.wrap(DATA_KEY);
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.with(at, bytes[at]! ^ 1);

    const opened = provider.unwrap({ masterKeyName, bytes: changed });

    await expect(opened).rejects.toThrow(codeIs("KEY_REFUSED"));
  }
  const short = provider.unwrap({ masterKeyName, bytes: bytes.slice(1) });
  await expect(short).rejects.toThrow(codeIs("KEY_REFUSED"));
});

test("a data key under a master key that is gone is told by that key's name", async () => {
  const wrapped = await setVariable(newMasterKeyLine("old")).wrap(DATA_KEY);

  const opened = setVariable(newMasterKeyLine("new")).unwrap(wrapped);

  await expect(opened).rejects.toThrow(codeIs("KEY_UNKNOWN_MASTER"));
  await expect(opened).rejects.toThrow("the master key old");
});

test("a file that others may read is refused, and one that is absent or too long too", async () => {
  const path = await keyFile(newMasterKeyLine("main"));
  for (const mode of [0o644, 0o604, 0o602]) {
    await chmod(path, mode);
    await expect(fileKeyProvider(path).wrap(DATA_KEY)).rejects.toThrow("chmod 600");
  }
  await chmod(path, 0o640);
  expect((await fileKeyProvider(path).wrap(DATA_KEY)).masterKeyName).toBe("main");

  const absent = fileKeyProvider(`${path}.absent`).wrap(DATA_KEY);
  await expect(absent).rejects.toThrow(codeIs("KEY_UNAVAILABLE"));
  const long = fileKeyProvider(await keyFile("#".repeat(70_000))).wrap(DATA_KEY);
  await expect(long).rejects.toThrow("too long");
});

test("a variable that is not set, or has no key, is unavailable", async () => {
  await expect(variableKeyProvider().wrap(DATA_KEY)).rejects.toThrow("KVS_MASTER_KEY is not set");
  await expect(setVariable(" # none").wrap(DATA_KEY)).rejects.toThrow(codeIs("KEY_UNAVAILABLE"));
});

test("a bad line is told by its number, never by what stands in it", async () => {
  const secret = "c2VjcmV0";
  for (const bad of [`main ${secret}`, secret, `ma!n ${newMasterKeyLine("x").slice(2)}`]) {
    const provider = setVariable(`${newMasterKeyLine("good")}\n${bad}`);

    const wrapped = provider.wrap(DATA_KEY);

    await expect(wrapped).rejects.toThrow("line 2");
    await expect(wrapped).rejects.not.toThrow(secret);
  }
  const twice = setVariable(`${newMasterKeyLine("a")};${newMasterKeyLine("a")}`);
  await expect(twice.wrap(DATA_KEY)).rejects.toThrow("two keys a");
});

test("a new key has a name that fits every place", () => {
  expect(newMasterKeyLine("main-2026.1")).toMatch(/^main-2026\.1 [A-Za-z0-9+/]{43}=$/);
  expect(newMasterKeyLine("a")).not.toBe(newMasterKeyLine("a"));
  for (const name of ["", "two words", "ä", "x".repeat(65)]) {
    expect(() => newMasterKeyLine(name)).toThrow(codeIs("KEY_UNAVAILABLE"));
  }
});
