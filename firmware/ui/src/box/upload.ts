// A file on its way to the box, with its progress: fetch() tells none.
import { ApiError, href } from "../api";

/** As the box has it. */
export const BUNDLE_BYTES_MAX = 300 * 1024 * 1024;
/** A card that swallows the last megabytes may take its time; silence for longer is the end. */
const SILENT_MS = 120_000;

export interface Upload {
  done: Promise<void>;
  stop: () => void;
}

/** Sends a bundle. `onPercent`: how much has gone out, 0 to 100. */
export function upload(file: File, install: boolean, onPercent: (percent: number) => void): Upload {
  const request = new XMLHttpRequest();
  const done = new Promise<void>((resolve, reject) => {
    let silence: number | undefined;
    const heard = () => {
      clearTimeout(silence);
      silence = window.setTimeout(() => {
        reject(new ApiError(0, "The box takes no more of the file", "Check its network, then try again."));
        request.abort();
      }, SILENT_MS);
    };
    const end = (act: () => void) => () => {
      clearTimeout(silence);
      act();
    };
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      heard();
      onPercent(total > 0 ? Math.floor((loaded / total) * 100) : 0);
    });
    request.addEventListener("load", end(() => (request.status === 202 ? resolve() : reject(failure(request)))));
    // A refusal that comes while we still send is lost with the connection.
    request.addEventListener("error", end(() => reject(new ApiError(0, "The connection broke before the file was there", "Try again, with this page open until it is done."))));
    request.addEventListener("abort", end(() => reject(new DOMException("stopped", "AbortError"))));
    request.open("POST", href(`api/update?install=${install}`));
    request.setRequestHeader("content-type", "application/octet-stream");
    request.setRequestHeader("accept", "application/json");
    heard();
    request.send(file);
  });
  return { done, stop: () => request.abort() };
}

function failure(request: XMLHttpRequest): ApiError {
  try {
    const { error } = JSON.parse(request.responseText) as { error: { what: string; do: string } };
    return new ApiError(request.status, error.what, error.do);
  } catch {
    return new ApiError(request.status, `The box answered with ${request.status}`, "Try again; if it stays so, look at the log.");
  }
}
