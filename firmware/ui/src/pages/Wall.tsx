export function Wall() {
  return <h1>Cameras</h1>;
}
