export function Yaml() {
  return <h1>Yaml</h1>;
}
