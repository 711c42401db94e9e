export function EditCamera({ id }: { id: string }) {
  return <h1>Edit {id}</h1>;
}
