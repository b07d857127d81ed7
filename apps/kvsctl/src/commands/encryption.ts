import { type DataKeys, type Environment, type KeyProvider } from "@kvs/env";
import { fileKeyProvider, variableKeyProvider } from "@kvs/node";
import { type StoreOptions, dataKeysOf, listKeys } from "@kvs/txn";
import { CommandFailure, callersPath } from "../session.ts";

/** Flags of every command that works on a stopped server's data. */
export interface OfflineFlags {
  readonly dataDir: string;
  /** File with the master keys, if the data are encrypted. */
  readonly keyFile?: string;
  /** Variable with the master keys. */
  readonly keyVariable?: string;
}

/** Where the flags say that the master keys are; `undefined` if they say nothing. */
export function providerOf(flags: OfflineFlags): KeyProvider | undefined {
  const { keyFile, keyVariable } = flags;
  if (keyFile !== undefined && keyVariable !== undefined) {
    throw new CommandFailure("the master keys are in one place: --key-file or --key-variable");
  }
  if (keyFile !== undefined) return fileKeyProvider(callersPath(keyFile));
  return keyVariable === undefined ? undefined : variableKeyProvider(keyVariable);
}

/** The options with which the flags want a store to be opened. */
export function encryptionOf(flags: OfflineFlags): Pick<StoreOptions, "encryption"> {
  const provider = providerOf(flags);
  return provider === undefined ? {} : { encryption: { provider } };
}

/** The data keys of the store, for whoever reads its files directly; none if it is plain. */
export async function keysOf(
  environment: Environment,
  path: string,
  flags: OfflineFlags,
): Promise<{ readonly keys?: DataKeys }> {
  const provider = providerOf(flags);
  if (provider === undefined) {
    if ((await listKeys(environment, path)) === undefined) return {};
    const message = "the data are encrypted; say where their master keys are";
    throw new CommandFailure(`${message}: --key-file or --key-variable`);
  }
  const keys = await dataKeysOf(environment, path, provider);
  return keys === undefined ? {} : { keys };
}
