// A new password, typed twice, with its strength in words.
import { PasswordField } from "./Secret";
import { length, LONGEST, SHORTEST, strength } from "./strength";

export interface NewPasswordProps {
  label: string;
  help?: string;
  first: string;
  second: string;
  onFirst: (text: string) => void;
  onSecond: (text: string) => void;
  /** What the box said of it. */
  error?: string | null;
}

export function NewPassword({ label, help, first, second, onFirst, onSecond, error }: NewPasswordProps) {
  // Said only once the second one cannot become the first any more.
  const differs = second !== "" && !first.startsWith(second);
  return (
    <>
      <PasswordField label={label} help={help} error={error} value={first} onValue={onFirst} autocomplete="new-password" />
      <p class="strength" role="status">{error ? "" : strength(first)}</p>
      <PasswordField label="Once more" error={differs ? "The two are not the same." : null} value={second} onValue={onSecond}
        autocomplete="new-password" />
    </>
  );
}

/** What keeps the two from being sent; null where nothing does. */
export function refused(first: string, second: string): string | null {
  if (length(first) < SHORTEST || length(first) > LONGEST) return strength(first) || "Choose a password first.";
  return first === second ? null : "Type the same password in both fields.";
}

/** For the browser's store of passwords, which wants a name: the box has one person. */
export function UserName() {
  return <input class="unseen" type="text" name="username" autocomplete="username" value="pulsebox" readOnly tabIndex={-1} aria-hidden="true" />;
}
