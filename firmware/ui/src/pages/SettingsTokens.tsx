// Tokens: how programs sign in. A token is shown once, when it is made.
import { useEffect, useState } from "preact/hooks";
import { get, part, send } from "../api";
import { Ago, Button, Confirm, ErrorNotice, Exact, Field, Name, Notice, Select, toast, toastError } from "../components";
import type { NewToken, Scope, Token } from "../types";

const SCOPES: { value: Scope; text: string }[] = [
  { value: "read", text: "Read" },
  { value: "admin", text: "Read and change everything" },
];

export function Tokens() {
  const [tokens, setTokens] = useState<Token[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [made, setMade] = useState<NewToken | null>(null);
  const [revoking, setRevoking] = useState<Token | null>(null);
  const load = () => get<Token[]>("api/tokens").then(setTokens, setError);
  useEffect(() => void load(), []);

  const revoke = async (token: Token) => {
    try {
      await send("DELETE", `api/tokens/${part(token.id)}`);
      toast(`“${token.name}” cannot sign in any more.`);
      if (made?.id === token.id) setMade(null);
    } catch (wrong) {
      toastError(wrong);
    }
    setRevoking(null);
    await load();
  };

  return (
    <>
      <section class="card">
        <h2>Tokens</h2>
        <p class="soft">For programs: a monitor, Home Assistant, a script. They send it as <code>Authorization: Bearer …</code></p>
        {error !== null && <ErrorNotice error={error} />}
        {made && <Made token={made} />}
        {tokens?.length === 0 && <p>There are none yet.</p>}
        <ul class="rows">
          {tokens?.map((token) => (
            <li key={token.id}>
              <div>
                <strong><Name text={token.name} /></strong> <span class="tag">{token.scope}</span>
                <p class="soft small">
                  Made <Exact at={token.created} />; {token.last_used === null ? "never used" : <>last used <Ago at={token.last_used} /></>}
                </p>
              </div>
              <Button look="danger" onClick={() => setRevoking(token)}>Revoke</Button>
            </li>
          ))}
        </ul>
      </section>
      <NewTokenForm onMade={(token) => {
        setMade(token);
        void load();
      }} />
      {revoking && (
        <Confirm title={`Revoke “${revoking.name}”?`} deed="Revoke" onConfirm={() => void revoke(revoking)} onClose={() => setRevoking(null)}>
          <p>Whatever uses it is signed out at once. This cannot be undone.</p>
        </Confirm>)}
    </>
  );
}

function NewTokenForm({ onMade }: { onMade: (token: NewToken) => void }) {
  const [name, setName] = useState("");
  const [scope, setScope] = useState<string>("read");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const make = async (event: Event) => {
    event.preventDefault();
    if (busy || name.trim() === "") return;
    setBusy(true);
    setError(null);
    try {
      onMade(await send<NewToken>("POST", "api/tokens", { name: name.trim(), scope }));
      setName("");
    } catch (wrong) {
      setError(wrong);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="card" onSubmit={make} noValidate>
      <h2>A new token</h2>
      {error !== null && <ErrorNotice error={error} />}
      <Field label="Name" help="Who uses it, for instance Grafana." value={name} onValue={setName} autocomplete="off" />
      <Select label="It may" help={scope === "read" ? "Sees all cameras and figures, but neither settings nor tokens." : "Whatever this page can do: keep it as you keep the password."} value={scope} onValue={setScope} options={SCOPES} />
      <div class="actions"><Button type="submit" look="main" busy={busy} disabled={name.trim() === ""}>Make it</Button></div>
    </form>
  );
}

function Made({ token }: { token: NewToken }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      // Only there over HTTPS or on the box itself; else the person copies it by hand.
      await navigator.clipboard.writeText(token.token);
      setCopied(true);
    } catch {
      document.querySelector<HTMLInputElement>("#made-token")?.select();
      setCopied(document.execCommand("copy"));
    }
  };
  return (
    <Notice mood="good">
      <p><strong>“<Name text={token.name} />” is made.</strong> Copy it now: it is never shown again.</p>
      <div class="password">
        <input id="made-token" class="input" readOnly value={token.token} aria-label="The new token" onFocus={(event) => event.currentTarget.select()} />
        <Button icon="copy" onClick={() => void copy()}>{copied ? "Copied" : "Copy"}</Button>
      </div>
      <p class="unseen" role="status">{copied ? "Copied" : ""}</p>
    </Notice>
  );
}
