import { chaos } from "./chaos.ts";
import { scenarios } from "./registry.ts";

// Whatever ends this process, the sandboxes clean up when it exits.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => process.exit(130));
}

process.exitCode = await chaos(process.argv.slice(2), scenarios, {
  print: (text) => process.stdout.write(text),
  warn: (text) => process.stderr.write(text),
});
