// What a person must know of an appliance wherever they are on the page.
import { Notice, Rich } from "../components";
import { route, to } from "../router";
import { isAdmin } from "../session";
import type { Appliance } from "../types";
import { NetworkTrial } from "./NetworkTrial";
import { isWriting, updateText } from "./words";

export function ApplianceBanners({ appliance }: { appliance: Appliance }) {
  const { data, import: taken, update } = appliance;
  // The box's own page tells of its update itself, and more.
  const isThere = route.value.page === "settings" && route.value.section === "box";
  const more = isAdmin() && !isThere && <> <a href={to.settings("box")}>More</a></>;
  return (
    <>
      {isAdmin() && <NetworkTrial />}
      {!isThere && update && isWriting(update.state) && (
        <Notice mood="warning"><strong>An update is under way: do not cut the power.</strong>{update.percent !== null && ` ${update.percent} %`}{more}</Notice>)}
      {!isThere && update?.state === "trying" && <Notice mood="info">A new version is on trial until network and cameras are as they were.{more}</Notice>}
      {!isThere && update?.state === "rolled_back" && (
        <Notice mood="warning"><strong>The update was put back.</strong> <Rich text={updateText(update) ?? ""} />{more}</Notice>)}
      {data?.state === "memory" && <Notice mood="warning"><strong>Nothing is kept over a restart.</strong> <Rich text={data.message ?? "There is no data partition: put in another SD card."} /></Notice>}
      {taken?.state === "refused" && <Notice mood="warning"><strong>The file on the SD card was not taken</strong>; the box goes on with the settings it has. <Rich text={taken.message ?? `${taken.file ?? "pulsebox.yaml"} has a mistake.`} /> Correct it on the card’s drive PULSEBOX, or delete it there, and start the box again.</Notice>}
    </>
  );
}
