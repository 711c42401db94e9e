export function AddCamera() {
  return <h1>AddCamera</h1>;
}
