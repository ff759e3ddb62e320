// Opens the editor without a network. It caches the application; the client keeps the texts in IndexedDB.
// The server's answers pass unchanged, including refusals and login pages: it steps in only when there is no answer.
const CACHE = `inklog-${"%VERSION%"}`;
const FILES = ["%FILES%"];
/** In the page, and in no other: the script that starts this build. */
const ENTRY = "%ENTRY%";
/** A network that has not answered by then counts as none. */
const WAIT_MS = 3000;
/** Builds that are kept besides this one: an open tab may still request parts of its own. */
const OLDER_MAX = 2;

addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => Promise.all(FILES.map((file) => keep(cache, file))))
      .then(() => self.skipWaiting()),
  );
});

addEventListener("activate", (event) => {
  event.waitUntil(forgetOldBuilds().then(() => self.clients.claim()));
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate") {
    if (pathname === "/" || pathname.startsWith("/d/")) event.respondWith(page(request));
  } else if (pathname.startsWith("/assets/") || FILES.includes(pathname)) event.respondWith(asset(request, pathname));
});

/** Caches a file, unless the answer is something else: a login page, or an incomplete build. */
async function keep(cache, file) {
  const answer = await fetch(new Request(file, { cache: "no-cache" }));
  const isRight = file === "/" ? isOwn(answer) && (await answer.clone().text()).includes(ENTRY) : isOwn(answer) && !isPage(answer);
  if (!isRight) throw new Error(`cannot cache ${file}: the answer was ${answer.status} or not the editor's`);
  await cache.put(file, answer);
}

const isOwn = (answer) => answer.ok && !answer.redirected && answer.type === "basic";
const isPage = (answer) => (answer.headers.get("content-type") ?? "").includes("text/html");

/** Caches are listed in the order of their creation. */
async function forgetOldBuilds() {
  const older = (await caches.keys()).filter((name) => name.startsWith("inklog-") && name !== CACHE);
  await Promise.all(older.slice(0, -OLDER_MAX).map((name) => caches.delete(name)));
}

/** The server's page, redirects included; the cached one only if no answer arrives in time. */
async function page(request) {
  const asked = fetch(request);
  const answer = await Promise.race([asked.catch(() => null), new Promise((resolve) => setTimeout(resolve, WAIT_MS))]);
  return answer ?? (await caches.match("/", { cacheName: CACHE })) ?? asked;
}

/** What is cached is valid: assets have their content's hash in the name, and the rest belongs to this build. */
async function asset(request, pathname) {
  const kept = (await caches.match(pathname, { cacheName: CACHE })) ?? (pathname.startsWith("/assets/") ? await caches.match(pathname) : undefined);
  if (kept) return kept;
  const answer = await fetch(request);
  if (isOwn(answer) && !isPage(answer)) {
    const cache = await caches.open(CACHE);
    await cache.put(pathname, answer.clone());
  }
  return answer;
}
