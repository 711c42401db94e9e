// A change of the network goes back by itself unless somebody who can still reach the box says that it is well.
import { useEffect, useState } from "preact/hooks";
import { ApiError, get, send } from "../api";
import { Button, Notice, toast, toastError } from "../components";

const ASK_AGAIN_MS = 10_000;

interface Network {
  trial?: { seconds_left: number } | null;
}

export function NetworkTrial() {
  /** When it ends, ms by this page's clock; null where nothing is on trial. */
  const [ends, setEnds] = useState<number | null>(null);
  const [left, setLeft] = useState(0);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    let timer: number | undefined;
    let here = true;
    const ask = async () => {
      try {
        const { trial } = document.hidden ? {} : await get<Network>("api/network");
        if (here && !document.hidden) setEnds(trial ? Date.now() + trial.seconds_left * 1000 : null);
      } catch (error) {
        // A box that does not know of it is not asked again.
        if (error instanceof ApiError && error.status === 404) return;
      }
      if (here) timer = window.setTimeout(() => void ask(), ASK_AGAIN_MS);
    };
    void ask();
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, []);
  useEffect(() => {
    if (ends === null) return;
    const turn = () => setLeft(Math.max(0, Math.ceil((ends - Date.now()) / 1000)));
    turn();
    const timer = setInterval(turn, 1000);
    return () => clearInterval(timer);
  }, [ends]);
  if (ends === null || left === 0) return null;
  const keep = async () => {
    setBusy(true);
    try {
      await send("POST", "api/network/keep");
      setEnds(null);
      toast("The network settings are kept.");
    } catch (error) {
      toastError(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Notice mood="warning">
      <strong>Keep these network settings?</strong> Without an answer the former ones come back in {left} s. <Button look="main" busy={busy} onClick={() => void keep()}>Keep them</Button>
    </Notice>
  );
}
