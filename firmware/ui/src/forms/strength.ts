// How good a new password is, in words: advice, no rules. The box asks for 8 characters and nothing else.

/** What the box takes, characters. */
export const SHORTEST = 8;
export const LONGEST = 256;

/** Tried first by everybody who guesses, also in pieces. */
const USUAL = /(passw|kennwort|12345|qwert|asdf|admin|letmein|welcome|pulsebox|camera|11111|00000)/i;

/** Characters as a person counts them, and as the daemon does. */
export const length = (text: string): number => [...text].length;

/** One sentence on a password while it is typed; empty for none. */
export function strength(password: string): string {
  const characters = length(password);
  if (characters === 0) return "";
  if (characters < SHORTEST) return `Too short: ${characters} of at least ${SHORTEST} characters.`;
  if (characters > LONGEST) return `Too long: ${LONGEST} characters at most.`;
  const distinct = new Set(password.toLowerCase()).size;
  const plain = password.replace(USUAL, "");
  if (distinct < 5 || length(plain) < 5) return "Weak: it is among the first that anybody tries.";
  if (/^\d+$/.test(password)) return "Weak: digits alone are quickly tried through.";
  if (characters < 12) return "Fair. Longer is better: four words that do not belong together are easy to keep.";
  return characters < 16 ? "Good." : "Strong.";
}
