// Text in which words between backticks are the configuration's. Always as text, never as markup.
export function Rich({ text }: { text: string }) {
  return <>{text.split("`").map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part))}</>;
}

/** A name from outside with its own direction of writing, so that it cannot turn the words around it. */
export function Name({ text }: { text: string }) {
  return <bdi>{text}</bdi>;
}
