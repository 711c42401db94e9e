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
  const beyond = slash < 0 ? "" : rest.slice(slash);
  const usual = authority.lastIndexOf("@");
  if (!beyond.includes("@")) return usual;
  if (usual >= 0 && !isLikelier(authority.slice(usual + 1), beyond)) return usual;
  // An @ beyond the first slash: the password was typed with a slash in it.
  const at = rest.lastIndexOf("@");
  const [, user, password] = /^([^:]*):([^]*)$/.exec(rest.slice(0, at)) ?? [];
  const portLike = password === undefined || /^\d+[/?#]/.test(password);
  return user === undefined || /[/?#]/.test(user) || portLike ? usual : at;
}

/** Whether what follows the last @ of `beyond` is more like a host than `host`, as `ss` in `user:p@ss/word@192.168.1.20`. */
function isLikelier(host: string, beyond: string): boolean {
  const at = beyond.lastIndexOf("@");
  const between = beyond.slice(0, at);
  // A URL within the path (restreamers have them), or a query: their @ is their own.
  if (between.includes("://") || /\?.*=/.test(between)) return false;
  return likeness(beyond.slice(at + 1).split(/[/?#]/, 1)[0] ?? "") > likeness(host);
}

function likeness(host: string): number {
  if (/^(\d{1,3}\.){3}\d{1,3}(:\d*)?$/.test(host) || host.startsWith("[")) return 3;
  if (/^localhost(:|$)/.test(host) || /:\d{1,5}$/.test(host)) return 2;
  return host.includes(".") ? 1 : 0;
}

/** Takes `text` apart. Text without `://` comes back as it is. */
export function takeApart(text: string): Apart {
  const trimmed = text.trim();
  const scheme = /^[a-z0-9+.-]+:\/\//i.exec(trimmed)?.[0];
  const whole = { url: trimmed, username: null, password: null, masked: false };
  if (scheme === undefined || /^v4l2:/i.test(scheme)) return whole;
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
