// A change of the network goes back by itself unless somebody who can still reach the box says that it is well.
import { useEffect, useState } from "preact/hooks";
import { ApiError, send } from "../api";
import { Button, Notice, toast, toastError } from "../components";
import { askNetwork, network, takenBack, trialEnds } from "./network";

const ASK_AGAIN_MS = 10_000;

export function NetworkTrial() {
  const [left, setLeft] = useState(0);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    let timer: number | undefined;
    let here = true;
    const ask = async () => {
      try {
        if (!document.hidden) await askNetwork();
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
  const ends = trialEnds.value;
  useEffect(() => {
    if (ends === null) return;
    const turn = () => {
      const seconds = Math.max(0, Math.ceil((ends - Date.now()) / 1000));
      setLeft(seconds);
      if (seconds > 0) return;
      trialEnds.value = null;
      takenBack.value += 1;
      toast("Nobody confirmed the network settings: the former ones are back.", "warning");
    };
    turn();
    const timer = setInterval(turn, 1000);
    return () => clearInterval(timer);
  }, [ends]);
  if (ends === null || left === 0) return null;
  const keep = async () => {
    setBusy(true);
    try {
      await send("POST", "api/network/keep");
      trialEnds.value = null;
      toast("The network settings are kept.");
    } catch (error) {
      toastError(error);
    } finally {
      setBusy(false);
    }
  };
  const wifi = network.value?.wifi;
  return (
    <div class="stays">
      <Notice mood="warning">
        <strong>Keep these network settings?</strong> Without an answer the former ones come back in {left} s.
        {wifi && wifi !== "up" && <> <strong>The Wi-Fi is not joined</strong>: {wifi === "absent" ? "the box has no radio for it." : "you reach the box some other way."}</>}
        {" "}Does the page not answer? Open the box at its new address or name, sign in, and keep them there. <Button look="main" busy={busy} onClick={() => void keep()}>Keep them</Button>
      </Notice>
    </div>
  );
}
