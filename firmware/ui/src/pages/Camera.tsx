export function Camera({ id }: { id: string }) {
  return <h1>{id}</h1>;
}
