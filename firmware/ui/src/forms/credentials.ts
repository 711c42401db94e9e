// What is to become of a camera's user name and password.

/** What the form does with them. */
export type Credentials =
  | { are: "typed"; username: string; password: string }
  /** Those in the box's file, which it does not show. */
  | { are: "kept" }
  | { are: "removed" };

/** Fields with nothing in them. */
export const NO_CREDENTIALS: Credentials = { are: "typed", username: "", password: "" };
