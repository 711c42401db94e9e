// Time zones as the browser knows them.

/** The browser's own zone by its IANA name; null where it does not tell. */
export function browserZone(): string | null {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || null;
}

let known: string[] | null = null;

/** Every zone the browser knows, for the list to choose from; the daemon's own list decides. */
export function zones(): string[] {
  known ??= typeof Intl.supportedValuesOf === "function" ? Intl.supportedValuesOf("timeZone") : [];
  return known;
}
