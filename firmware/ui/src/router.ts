// Which page is asked for, by the address after `#`. Hash routes need nothing of the server.
import { signal } from "@preact/signals";

export type Route =
  | { page: "wall" }
  | { page: "camera"; id: string }
  | { page: "edit"; id: string }
  | { page: "add" }
  | { page: "settings"; section: string }
  | { page: "yaml" }
  | { page: "nowhere" };

function read(hash: string): Route {
  const parts = hash.replace(/^#\/?/, "").split("?")[0]!.split("/").filter(Boolean).map(decode);
  const [first, second, third] = parts;
  if (first === undefined) return { page: "wall" };
  if (first === "camera" && second && !third) return { page: "camera", id: second };
  if (first === "camera" && second && third === "edit") return { page: "edit", id: second };
  if (first === "add") return { page: "add" };
  if (first === "settings") return { page: "settings", section: second ?? "general" };
  if (first === "yaml") return { page: "yaml" };
  return { page: "nowhere" };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const route = signal<Route>(read(location.hash));

let unsaved: (() => boolean) | null = null;
let last = location.hash;

/** While `dirty` says so, leaving asks first. Returns what takes the guard away again. */
export function guardUnsaved(dirty: () => boolean): () => void {
  unsaved = dirty;
  return () => {
    if (unsaved === dirty) unsaved = null;
  };
}

/** How far each page was scrolled when it was left. */
const places = new Map<string, number>();
history.scrollRestoration = "manual";

/** Back on the wall a person goes on where they were; every other page starts at its top. */
export const placeOf = (at: Route) => (at.page === "wall" ? places.get("#/") ?? 0 : 0);

window.addEventListener("hashchange", () => {
  if (location.hash === last) return;
  if (unsaved?.() && !confirm("Leave without saving? What you changed is lost.")) {
    history.replaceState(null, "", last || "#/");
    return;
  }
  unsaved = null;
  places.set(last || "#/", window.scrollY);
  last = location.hash;
  route.value = read(location.hash);
});

window.addEventListener("beforeunload", (event) => {
  if (unsaved?.()) event.preventDefault();
});

export const to = {
  wall: "#/",
  camera: (id: string) => `#/camera/${encodeURIComponent(id)}`,
  edit: (id: string) => `#/camera/${encodeURIComponent(id)}/edit`,
  add: "#/add",
  settings: (section = "general") => `#/settings/${encodeURIComponent(section)}`,
  yaml: "#/yaml",
};

export function go(hash: string): void {
  location.hash = hash;
}
