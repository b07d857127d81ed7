import { type KeyProvider } from "@kvs/env";
import { masterKeyProvider, unavailable } from "./master-key-provider.ts";

/** The variable that is read unless another is named. */
const VARIABLE_DEFAULT = "KVS_MASTER_KEY";

/**
 * Master keys from an environment variable, in the lines of {@link fileKeyProvider}; a semicolon
 * stands for the end of a line too. Whoever can look at the process can read them: prefer a file.
 */
export function variableKeyProvider(variable: string = VARIABLE_DEFAULT): KeyProvider {
  const name = `the variable ${variable}`;
  return masterKeyProvider({
    name,
    read() {
      const text = process.env[variable];
      if (text !== undefined) return Promise.resolve(text);
      return Promise.reject(unavailable(name, "is not set"));
    },
  });
}
