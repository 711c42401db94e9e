// The shared parts, from one place.
export { Bars } from "./Bars";
export { Button, LinkButton, type Look } from "./Button";
export { Confirm, Dialog } from "./Dialog";
export { Checkbox, Field, Select } from "./Field";
export { Icon, type IconName } from "./Icon";
export { Ladder } from "./Ladder";
export { ErrorNotice, Notice, toast, toastError, Toasts, type Mood } from "./Notice";
export { Name, Rich } from "./Rich";
export { StateBadge } from "./StateBadge";
export { Fell, Steps, type Step } from "./Steps";
export { Ago, Exact, Since } from "./Time";
