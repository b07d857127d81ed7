/** Asks for each mutant once: which of them are on. */
export function readMutants<Mutant extends string>(
  names: readonly Mutant[],
  hasMutant: (mutant: string) => boolean,
): Readonly<Record<Mutant, boolean>> {
  const entries = names.map((name) => [name, hasMutant(name)] as const);
  return Object.fromEntries(entries) as Record<Mutant, boolean>;
}
