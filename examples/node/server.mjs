// An application that signs its users in and hands out tokens for Inklog. ../README.md tells how to run it, and what
// it simplifies.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { tokens } from "./tokens.mjs";

const { PORT = "3000", EDITOR = "http://127.0.0.1:8080", KEYS = "keys.json", TOKEN_SECONDS = "3600" } = process.env;
const { sign, verify } = tokens(KEYS);
const INVITATION_SECONDS = 7 * 24 * 3600;

// Your database has these. `*` stands for every document.
const passwords = new Map(Object.entries({ ada: "ada", ben: "ben", cyd: "cyd", dan: "dan" }));
const rights = new Map(Object.entries({ "ada *": "manage", "ben notes": "write", "cyd notes": "read" }));
const sessions = new Map();

const RIGHTS = ["none", "read", "write", "manage"];
const rightOf = (user, doc) => rights.get(`${user} ${doc}`) ?? rights.get(`${user} *`) ?? "none";
const isMore = (right, than) => RIGHTS.indexOf(right) > RIGHTS.indexOf(than);
const isDoc = (doc) => typeof doc === "string" && /^[\w.~-]{1,128}$/.test(doc);

/** For one document. Somebody without a right to it gets a token that names none; Inklog then answers `forbidden`. */
function tokenFor(user, doc) {
  const right = rightOf(user, doc);
  const docs = right === "none" ? {} : { [doc]: right };
  return sign({ sub: user, name: user[0].toUpperCase() + user.slice(1), aud: "inklog", inklog: { docs } }, Number(TOKEN_SECONDS));
}

const FORM = `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Sign in</title>
<form method="post"><h1>Sign in</h1><p><label>Name <input name="user"></label></p>
<p><label>Password <input name="password" type="password"></label></p><p><button>Sign in</button></p></form>`;

/** Each answers with a status, a page or JSON, and headers. */
const routes = {
  // Leads back to the editor with a token in the fragment, and nowhere else: whoever gets the token has the right.
  "GET /sign-in": ({ query, user }) => {
    const back = query.get("return") ?? "";
    const doc = back.startsWith(`${EDITOR}/d/`) ? back.slice(`${EDITOR}/d/`.length) : "";
    if (!isDoc(doc)) return [400, `Documents are at ${EDITOR}/d/…`];
    if (!user || query.get("prompt") === "login") return [200, FORM];
    const invited = verify(query.get("invitation"), "invitation");
    if (invited?.doc === doc && isMore(invited.right, rightOf(user, doc))) rights.set(`${user} ${doc}`, invited.right);
    return [303, "", { location: `${back}#token=${tokenFor(user, doc)}` }];
  },
  "POST /sign-in": ({ query, body }) => {
    const { user, password } = Object.fromEntries(new URLSearchParams(body));
    if (!passwords.has(user) || passwords.get(user) !== password) return [401, FORM];
    const session = randomUUID();
    sessions.set(session, user);
    query.delete("prompt");
    return [303, "", { location: `/sign-in?${query}`, "set-cookie": `session=${session}; HttpOnly; SameSite=Lax; Path=/` }];
  },
  // For the editor: a fresh token before the last one ends.
  "GET /token": ({ query, user }) => {
    const doc = query.get("doc") ?? "";
    if (!isDoc(doc)) return [400, { error: "name a document" }];
    return user ? [200, { token: tokenFor(user, doc) }] : [401, { error: "not signed in" }];
  },
  // For the share dialog: a link that gives whoever opens it and signs in a right to the document.
  "POST /share": ({ authorization, body }) => {
    const token = verify(authorization?.replace("Bearer ", ""), "inklog");
    if (!token) return [401, { error: "not signed in" }];
    const { doc, right } = JSON.parse(body);
    if (!isDoc(doc) || !["read", "write"].includes(right)) return [400, { error: "name a document, and read or write" }];
    if (isMore(right, rightOf(token.sub, doc))) return [403, { error: "that is more than your own right" }];
    const invitation = sign({ aud: "invitation", doc, right }, INVITATION_SECONDS);
    return [200, { link: `${origin()}/sign-in?${new URLSearchParams({ return: `${EDITOR}/d/${doc}`, invitation })}` }];
  },
  // A browser asks first whether the editor's page may send JSON and a token.
  "OPTIONS /share": () => [204, ""],
};

const server = createServer(async (request, answer) => {
  const { url, method, headers } = request;
  const { pathname, searchParams: query } = new URL(url, origin());
  const user = sessions.get(/(?:^|; )session=([\w-]+)/.exec(headers.cookie ?? "")?.[1]);
  const route = routes[`${method} ${pathname}`] ?? (() => [404, "Page not found"]);
  const [status, said, more] = await text(request)
    .then((body) => route({ query, user, authorization: headers.authorization, body }))
    .catch(() => [400, "That cannot be read"]);
  const isPage = typeof said === "string";
  answer.writeHead(status, {
    "content-type": isPage ? "text/html; charset=utf-8" : "application/json",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    // The editor's page may ask with the session's cookie; no other page may.
    "access-control-allow-origin": EDITOR,
    "access-control-allow-credentials": "true",
    "access-control-allow-headers": "authorization, content-type",
    ...more,
  });
  answer.end(isPage ? said : JSON.stringify(said));
});
const origin = () => `http://127.0.0.1:${server.address().port}`;
server.listen(Number(PORT), "127.0.0.1", () => console.log(`ready: ${origin()}`));
