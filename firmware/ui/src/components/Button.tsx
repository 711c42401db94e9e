// Buttons and links that look like them; big enough for a thumb.
import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "./Icon";

export type Look = "plain" | "main" | "danger" | "quiet";

interface Common {
  look?: Look;
  icon?: IconName;
  /** Said instead of the children, where there is only an icon. */
  label?: string;
  children?: ComponentChildren;
}

type ButtonProps = Common & Omit<JSX.IntrinsicElements["button"], "icon" | "label" | "class"> & {
  /** While its work is under way: shown, and pressing again does nothing. */
  busy?: boolean;
};

export function Button({ look = "plain", icon, label, busy = false, children, onClick, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      class={`button ${look}${children ? "" : " bare"}`}
      aria-label={label}
      title={label}
      aria-busy={busy || undefined}
      aria-disabled={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
    >
      {busy ? <span class="spinner" aria-hidden="true" /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** An address that looks like a button. */
export function LinkButton({ look = "plain", icon, label, children, href, download }: Common & { href: string; download?: boolean | string }) {
  return (
    <a class={`button ${look}${children ? "" : " bare"}`} href={href} download={download} aria-label={label} title={label}>
      {icon && <Icon name={icon} />}
      {children}
    </a>
  );
}
