import { isKvsError } from "@kvs/env";
import { expect, test } from "vitest";
import { type ConfigSources, SETTINGS, type SettingName, loadConfig } from "../src/index.ts";

const NOTHING: ConfigSources = { variables: {}, flags: {} };

/** For each setting a good value as people write it, what it comes to, and a bad one. */
const SAMPLES: { readonly [Name in SettingName]: readonly [string, unknown, string] } = {
  host: ["localhost", "localhost", "[]"],
  port: ["0", 0, "65536"],
  insecure: ["true", true, "yes"],
  dataDir: ["/tmp/kvs", "/tmp/kvs", "{}"],
  memory: ["64MB", 64 << 20, "64 parsecs"],
  pageSize: ["4kb", 4096, "8kb"],
  walSegmentSize: ["1 MB", 1 << 20, "100000"],
  checkpointInterval: ["5m", 300_000, "5 fortnights"],
  keyFile: ["/etc/kvs/master.keys", "/etc/kvs/master.keys", "[]"],
  keyVariable: ["MASTER", "MASTER", "{}"],
  compressValues: ["true", true, "a little"],
  compressLog: ["true", true, "1"],
  nodeId: ["node-7", "node-7", '""'],
  logLevel: ["DEBUG", "debug", "loud"],
  logFormat: ["text", "text", "xml"],
};

const NAMES = Object.keys(SETTINGS) as SettingName[];

/** A file with one setting, on its second line. */
function fileWith(name: SettingName, value: string): ConfigSources {
  const [section, ...inner] = SETTINGS[name].path.split(".");
  // Inner sections in one line, so that the setting is on the second of the file.
  const line = inner
    .toReversed()
    .reduce((content, part, depth) => `${part}: ${depth === 0 ? value : `{ ${content} }`}`, "");
  const text = `${section}:\n  ${line}\n`;
  return { ...NOTHING, file: { path: "kvs.yaml", text } };
}

function mistakeOf(sources: ConfigSources): string {
  try {
    loadConfig(sources);
  } catch (error) {
    if (isKvsError(error, "CONFIG_INVALID")) return error.message;
    throw error;
  }
  throw new Error("the configuration was accepted");
}

test("without any source, every setting has its default", () => {
  const config = loadConfig(NOTHING);

  for (const name of NAMES) expect(config[name]).toBe(SETTINGS[name].fallback);
});

test.each(NAMES)("%s is read from the file, the environment and the flags", (name) => {
  const [good, wanted] = SAMPLES[name];

  expect(loadConfig(fileWith(name, good))[name]).toBe(wanted);
  expect(loadConfig({ ...NOTHING, variables: { [SETTINGS[name].variable]: good } })[name]).toBe(
    wanted,
  );
  expect(loadConfig({ ...NOTHING, flags: { [name]: good } })[name]).toBe(wanted);
});

test.each(NAMES)("a bad %s is refused, with its name and its line", (name) => {
  const bad = SAMPLES[name][2];

  expect(mistakeOf(fileWith(name, bad))).toContain(`kvs.yaml:2: ${SETTINGS[name].path} is `);
});

test("master keys are in one place, and their variable is no unknown setting", () => {
  const twice = { keyFile: "keys", keyVariable: "KVS_SECRETS" };
  expect(mistakeOf({ ...NOTHING, flags: twice })).toContain("the master keys are in one place");
  const variables = { KVS_SECRETS: "main …", KVS_MASTER_KEY: "main …" };
  const flags = { keyVariable: "KVS_SECRETS" };
  expect(loadConfig({ variables, flags }).keyVariable).toBe("KVS_SECRETS");
  expect(mistakeOf({ variables, flags: {} })).toContain("KVS_SECRETS: there is no such setting");
});

test("a bad value is refused by the name of its variable or flag", () => {
  expect(mistakeOf({ ...NOTHING, variables: { KVS_PORT: "many" } })).toBe(
    "CONFIG_INVALID: the configuration has a mistake:\n" +
      '  KVS_PORT: network.port is an integer from 0 to 65535, not "many"',
  );
  expect(mistakeOf({ ...NOTHING, flags: { memory: "lots" } })).toBe(
    "CONFIG_INVALID: the configuration has a mistake:\n" +
      '  --memory: storage.memory is a size such as 64MB (1 MB to 16 GB), not "lots"',
  );
});

test("flags win over the environment, the environment wins over the file", () => {
  const all: ConfigSources = {
    ...fileWith("port", "1001"),
    variables: { KVS_PORT: "1002" },
    flags: { port: "1003" },
  };

  expect(loadConfig(all).port).toBe(1003);
  expect(loadConfig({ ...all, flags: {} }).port).toBe(1002);
  expect(loadConfig({ ...all, flags: {}, variables: {} }).port).toBe(1001);
  expect(loadConfig({ ...all, flags: {}, variables: { KVS_PORT: "" } }).port).toBe(1001);
});

test("several mistakes are named at once, each on its line", () => {
  const text = [
    "network:",
    "  prot: 5000",
    "  port: -1",
    "storage:",
    "  memory: 0.5KB",
    "log: [json]",
    "sotrage:",
    "  data_dir: x",
  ].join("\n");

  expect(
    mistakeOf({ file: { path: "kvs.yaml", text }, variables: { KVS_PROT: "1" }, flags: {} }),
  ).toBe(
    [
      "CONFIG_INVALID: the configuration has 6 mistakes:",
      "  kvs.yaml:2: there is no setting network.prot; did you mean network.port?",
      '  kvs.yaml:6: log holds settings as "name: value" lines',
      "  kvs.yaml:7: there is no setting sotrage; did you mean storage?",
      "  KVS_PROT: there is no such setting; did you mean KVS_PORT?",
      "  kvs.yaml:3: network.port is an integer from 0 to 65535, not -1",
      '  kvs.yaml:5: storage.memory is a size such as 64MB (1 MB to 16 GB), not "0.5KB"',
    ].join("\n"),
  );
});

test("a file that is no YAML is refused with line and column", () => {
  const text = "network:\n  port: 5000\n  port: 5001\n";

  expect(mistakeOf({ ...NOTHING, file: { path: "kvs.yaml", text } })).toBe(
    "CONFIG_INVALID: the configuration has a mistake:\n  kvs.yaml:3:3: Map keys must be unique",
  );
});

test("an empty file and empty sections set nothing", () => {
  for (const text of ["", "# nothing\n", "network:\n", "network:\n  port:\n"]) {
    expect(loadConfig({ ...NOTHING, file: { path: "kvs.yaml", text } }).port).toBe(5000);
  }
});

test("a file that is no map is refused", () => {
  const file = { path: "kvs.yaml", text: "- network\n" };

  expect(mistakeOf({ ...NOTHING, file })).toContain(
    'kvs.yaml:1: the file holds settings as "name: value" lines',
  );
});

test("an address that others reach needs --insecure", () => {
  const open = fileWith("host", "0.0.0.0");

  expect(mistakeOf(open)).toMatch(/kvs\.yaml:2: network\.host 0\.0\.0\.0 .* say --insecure/);
  expect(loadConfig({ ...open, flags: { insecure: true } }).host).toBe("0.0.0.0");
  expect(loadConfig(fileWith("host", '"::1"')).host).toBe("::1");
});

test("variables of other programs are left alone", () => {
  expect(loadConfig({ ...NOTHING, variables: { PORT: "x", KVS_URL: "kvs://a" } }).port).toBe(5000);
});
