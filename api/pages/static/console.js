// Keeps the console's pages fresh while somebody looks at them. Without this they are as good, and stand still.
"use strict";

(() => {
  const SLOWEST_S = 60;
  const regions = () => [...document.querySelectorAll("[data-live]")];
  if (!regions().length) return;

  // Somebody is at it: his words, his open form and his place shall not be taken away.
  const isBusy = (region) =>
    region.contains(document.activeElement) && document.activeElement.matches("input, select, textarea, button, summary")
    || [...region.querySelectorAll("details.move[open]")].length > 0
    || [...region.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value !== field.defaultValue);

  const note = document.getElementById("live-note");
  const say = (text) => {
    if (!note || note.textContent === text) return;
    note.textContent = text;
    note.hidden = text === "";
  };

  // One-time keys differ each time and mean nothing to who looks.
  const essence = (region) => region.innerHTML.replaceAll(/name="key" value="[0-9a-f]+"/g, "");

  const renew = (fresh) => {
    for (const region of regions()) {
      const newer = fresh.querySelector(`[data-live="${CSS.escape(region.dataset.live)}"]`);
      if (!newer || isBusy(region) || essence(newer) === essence(region)) continue;
      const open = [...region.querySelectorAll("details[data-keep-open][open]")].map((one) => one.id);
      const drawn = region.querySelector(".scroll");
      const scrolled = drawn ? drawn.scrollLeft : 0;
      region.replaceChildren(...document.adoptNode(newer).childNodes);
      region.dataset.every = newer.dataset.every;
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      const again = region.querySelector(".scroll");
      if (again) again.scrollLeft = scrolled;
    }
  };

  // The address of what is shown, without what a form said when it was done; a form's answer is not asked for again,
  // but the page that it is of.
  const address = new URL(document.body.dataset.lookAt || location.href, location.href);
  address.searchParams.delete("done");
  if (address.href !== location.href) history.replaceState(null, "", address);

  let failures = 0;
  const look = async () => {
    try {
      const answer = await fetch(address, { headers: { "X-Looking": "1" }, redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect") {
        say("You are signed out. Load the page again to sign in.");
        return false;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      renew(new DOMParser().parseFromString(await answer.text(), "text/html"));
      failures = 0;
      say("");
    } catch {
      failures += 1;
      say("No answer from the server; this page is as it was a while ago.");
    }
    return true;
  };

  const pause_s = () => {
    const every_s = Math.min(...regions().map((region) => Number(region.dataset.every)));
    return Math.min(SLOWEST_S, every_s * 2 ** Math.min(failures, 5));
  };

  let timer = 0;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      if (document.hidden || await look()) later();
    }, pause_s() * 1000);
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) later(); });
  later();
})();
