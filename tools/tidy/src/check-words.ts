import { type Finding } from "./finding.ts";
import { type SourceTree } from "./source-tree.ts";

/** Words and names that the repository does without, with the reason for each. */
export const WORDS_FILE = "tools/tidy/words.json";

interface WordList {
  readonly words: readonly {
    /** Regular expression, within one line. Case is ignored unless `matchCase`. */
    readonly pattern: string;
    readonly because: string;
    readonly matchCase?: boolean;
  }[];
  /** Last parts of file and folder names that say nothing of what is inside. */
  readonly names: readonly string[];
}

/** These hold the words in order to ban or to test them; licences are not our words. */
const EXEMPT = [WORDS_FILE, "tools/tidy/test/", "LICENSE"];
const TEXT_FILE = /\.(?:ts|mts|cts|mjs|js|json|md|yaml|yml|txt)$|(?:^|\/)run$/;

/** No file uses a banned word, and no file or folder has a banned name. */
export function checkWords(tree: SourceTree): Finding[] {
  const list: WordList = JSON.parse(tree.read(WORDS_FILE));
  const words = list.words.map(({ pattern, because, matchCase }) => ({
    expression: new RegExp(pattern, matchCase === true ? "" : "i"),
    because,
  }));
  const findings: Finding[] = [];
  for (const file of tree.files) {
    const badName = findBadName(file, list.names);
    if (badName !== undefined) {
      const message = `"${badName}" says nothing of what is inside: name it by its concept`;
      findings.push({ file, line: 1, message });
    }
    if (!TEXT_FILE.test(file) || EXEMPT.some((exempt) => file.startsWith(exempt))) continue;
    for (const [index, text] of tree.read(file).split("\n").entries()) {
      for (const { expression, because } of words) {
        const match = expression.exec(text);
        if (match === null) continue;
        findings.push({ file, line: index + 1, message: `"${match[0].trim()}": ${because}` });
      }
    }
  }
  return findings;
}

/** `read-utils.ts` is as bad as `utils.ts`; `shared-lock.ts` is fine. */
function findBadName(file: string, names: readonly string[]): string | undefined {
  return file.split("/").find((part) => {
    const stem = part.split(".")[0] ?? "";
    const last = stem.split("-").at(-1) ?? "";
    return names.includes(last);
  });
}
