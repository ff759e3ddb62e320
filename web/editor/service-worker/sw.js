// Opens the editor without a network. It keeps the application; the texts are kept by the client, in IndexedDB.
const CACHE = `inklog-${"%VERSION%"}`;
const FILES = ["%FILES%"];
/** A network that has not answered by then counts as none. */
const WAIT_MS = 3000;

addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" }))))
      .then(() => self.skipWaiting()),
  );
});

addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name.startsWith("inklog-") && name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate") {
    if (pathname === "/" || pathname.startsWith("/d/")) event.respondWith(page(request));
  } else if (pathname.startsWith("/assets/") || FILES.includes(pathname)) event.respondWith(asset(request));
});

/** The page as the server has it, or as it was kept: never an old one while the new one can be had. */
async function page(request) {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), WAIT_MS);
  try {
    const answer = await fetch(request, { signal: ending.signal });
    if (answer.ok) return answer;
  } catch {
    // No network, or one that does not answer.
  } finally {
    clearTimeout(timer);
  }
  return (await caches.match("/", { cacheName: CACHE })) ?? Response.error();
}

/** Assets have their content's hash in the name: what is kept is right. The rest is asked for first. */
async function asset(request) {
  const { pathname } = new URL(request.url);
  const cache = await caches.open(CACHE);
  const kept = await cache.match(pathname);
  if (kept && pathname.startsWith("/assets/")) return kept;
  try {
    const answer = await fetch(request);
    if (answer.ok && pathname.startsWith("/assets/")) await cache.put(pathname, answer.clone());
    return answer;
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
}
