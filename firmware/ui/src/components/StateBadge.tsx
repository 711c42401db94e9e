// A camera's state as colour, shape and word: each alone tells it.
import type { State } from "../types";
import { STATE_WORD } from "../words";
import { Icon } from "./Icon";

export function StateBadge({ state }: { state: State }) {
  return (
    <span class="badge" data-state={state}>
      <Icon name={state} size={14} />
      {STATE_WORD[state] ?? state}
    </span>
  );
}
