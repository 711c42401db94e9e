// Takes a camera's URL apart into address and credentials, as the daemon does it (camera/url.rs): people paste
// passwords with `@`, `/` and `#` as they are. It judges nothing: whether the URL is any good, the daemon says.

/** What one line of text held. Credentials are decoded; null where the text had none. */
export interface Apart {
  url: string;
  username: string | null;
  password: string | null;
  /** The text had `***` for its credentials: they stand in the box's file and are not shown. */
  masked: boolean;
}

const MASK = "***";

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone % is part of a password typed as it is
  }
}

/** Where the credentials end in `rest` (all after `://`), or -1. */
function credentialsEnd(rest: string): number {
  const slash = rest.search(/[/?#]/);
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const inAuthority = authority.lastIndexOf("@");
  if (slash < 0) return inAuthority;
  const last = rest.lastIndexOf("@");
  if (last <= inAuthority) return inAuthority;
  // An @ beyond the first slash: part of a password typed as it is, unless what precedes it is a host already.
  if (inAuthority >= 0) return inAuthority;
  const colon = authority.indexOf(":");
  const hostAndPort = colon < 0 || /^:\d{1,5}$/.test(authority.slice(colon));
  return hostAndPort ? -1 : last;
}

/** Takes `text` apart. Text without `://` comes back as it is. */
export function takeApart(text: string): Apart {
  const trimmed = text.trim();
  const scheme = /^[a-z0-9+.-]+:\/\//i.exec(trimmed)?.[0];
  const whole = { url: trimmed, username: null, password: null, masked: false };
  if (scheme === undefined) return whole;
  const rest = trimmed.slice(scheme.length);
  const at = credentialsEnd(rest);
  if (at < 0) return whole;
  const [user = "", ...more] = rest.slice(0, at).split(":");
  const password = more.join(":");
  const url = scheme + rest.slice(at + 1);
  if (user === MASK || password === MASK) return { url, username: null, password: null, masked: true };
  return { url, username: decode(user), password: decode(password), masked: false };
}

/** The URL with `***` for its credentials: sent back so, the box keeps those it has. */
export function masked(url: string): string {
  return url.replace(/^([a-z0-9+.-]+:\/\/)/i, `$1${MASK}:${MASK}@`);
}
