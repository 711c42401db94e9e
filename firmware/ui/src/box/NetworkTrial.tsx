// A change of the network goes back by itself unless somebody who can still reach the box says that it is well.
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api";
import { Button, Notice, toast, toastError } from "../components";
import { askNetwork, keep, network, trialEnds } from "./network";

const ASK_AGAIN_MS = 10_000;
const NOT_JOINED = {
  absent: "the box has no radio for it.", down: "it is not joined, and you reach the box some other way.",
  no_address: "it is joined, but has no address, and you reach the box some other way.",
};

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
    const turn = () => setLeft(Math.max(0, Math.ceil((ends - Date.now()) / 1000)));
    turn();
    const timer = setInterval(turn, 1000);
    return () => clearInterval(timer);
  }, [ends]);
  if (ends === null || left === 0) return null;
  const confirm = async () => {
    setBusy(true);
    try {
      await keep();
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
        {wifi && wifi !== "up" && <> <strong>The Wi-Fi does not work yet</strong>: {NOT_JOINED[wifi]}</>}
        {" "}Does the page not answer? Open the box at its new address or name, sign in, and keep them there. <Button look="main" busy={busy} onClick={() => void confirm()}>Keep them</Button>
      </Notice>
    </div>
  );
}
