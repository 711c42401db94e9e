// The gate (who are you?), the shell around every page, and which page it is.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Button, ErrorNotice, Icon, Toasts } from "./components";
import { AddCamera } from "./pages/AddCamera";
import { Camera } from "./pages/Camera";
import { Claim } from "./pages/Claim";
import { EditCamera } from "./pages/EditCamera";
import { Settings } from "./pages/Settings";
import { SignIn } from "./pages/SignIn";
import { Wall } from "./pages/Wall";
import { Yaml } from "./pages/Yaml";
import { placeOf, route, to, type Route } from "./router";
import { refreshSession, session } from "./session";
import { start, stop } from "./store";
import { Banners, followWorst } from "./status";

const ASK_AGAIN_MS = 3000;

export function App() {
  const failed = useSignal<unknown>(null);
  useEffect(() => {
    let timer: number | undefined;
    const ask = () => {
      refreshSession().then(
        () => (failed.value = null),
        (error) => {
          failed.value = error;
          timer = window.setTimeout(ask, ASK_AGAIN_MS);
        },
      );
    };
    ask();
    return () => clearTimeout(timer);
  }, []);
  const signedIn = session.value?.signed_in ?? false;
  useEffect(() => {
    if (!signedIn) return;
    start();
    return stop;
  }, [signedIn]);
  useEffect(followWorst, []);

  if (session.value === null) {
    return <main class="gate">{failed.value ? <ErrorNotice error={failed.value} /> : <p class="soft">Loading …</p>}</main>;
  }
  if (!session.value.claimed) return <Gate><Claim /></Gate>;
  if (!signedIn) return <Gate><SignIn /></Gate>;
  return <Shell />;
}

function Gate({ children }: { children: ComponentChildren }) {
  return (
    <>
      <main class="gate" id="main">{children}</main>
      <Toasts />
    </>
  );
}

function Shell() {
  const at = route.value;
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const key = JSON.stringify(at);
  // A new page starts at its top, and a screen reader there too.
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    window.scrollTo(0, placeOf(at));
    main.current?.focus({ preventScroll: true });
  }, [key]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        main.current?.focus();
      }}>Skip to content</a>
      <header class="top">
        <a class="brand" href={to.wall} aria-label="Pulsebox, all cameras"><Icon name="grid" size={18} /><span>Pulsebox</span></a>
        <span class="boxname">{session.value?.name}</span>
        <nav aria-label="Pages">
          <NavLink href={to.wall} here={at.page === "wall" || at.page === "camera"} text="Cameras" icon="camera" />
          {session.value?.scope === "admin" && <>
            <NavLink href={to.add} here={at.page === "add"} text="Add" icon="add" />
            <NavLink href={to.settings()} here={at.page === "settings" || at.page === "yaml"} text="Settings" icon="settings" />
          </>}
        </nav>
      </header>
      <Banners />
      <main id="main" ref={main} tabIndex={-1}><Page at={at} key={key} /></main>
      <Toasts />
    </>
  );
}

function NavLink({ href, here, text, icon }: { href: string; here: boolean; text: string; icon: "camera" | "add" | "settings" }) {
  return <a href={href} aria-current={here ? "page" : undefined}><Icon name={icon} size={18} /><span>{text}</span></a>;
}

function Page({ at }: { at: Route }) {
  switch (at.page) {
    case "wall": return <Wall />;
    case "camera": return <Camera id={at.id} />;
    case "edit": return <EditCamera id={at.id} />;
    case "add": return <AddCamera />;
    case "settings": return <Settings section={at.section} />;
    case "yaml": return <Yaml />;
    case "nowhere": return (
      <section class="empty">
        <h1>There is no such page</h1>
        <p><Button look="main" onClick={() => (location.hash = to.wall)}>To the cameras</Button></p>
      </section>
    );
  }
}
