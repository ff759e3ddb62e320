// The applications in examples/: who gets which token, and who gets none.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { App, APPS, Keys } from "./harness/app.js";

const EDITOR = "http://127.0.0.1:8080";
const keys = new Keys();
after(() => keys.remove());

test("the settings that the README has copied beside the editor name the application's addresses", () => {
  const config = JSON.parse(readFileSync(fileURLToPath(new URL("../../examples/config.json", import.meta.url)), "utf8"));
  const at = "http://127.0.0.1:3000";
  assert.deepEqual(config, { signIn: `${at}/sign-in`, token: `${at}/token`, share: `${at}/share` });
});

for (const kind of Object.keys(APPS) as (keyof typeof APPS)[]) {
  let app: App;
  before(async () => void (app = await App.start(kind, keys, EDITOR)));
  after(() => app?.stop());

  const signInUrl = (doc: string) => `${app.url}/sign-in?return=${encodeURIComponent(`${EDITOR}/d/${doc}`)}`;

  /** The answer to a form that somebody filled in. */
  const post = (user: string, password: string, url = signInUrl("notes")) =>
    fetch(url, { method: "POST", body: new URLSearchParams({ user, password }), redirect: "manual" });

  async function cookieOf(user: string): Promise<string> {
    const answer = await post(user, user);
    assert.equal(answer.status, 303);
    const cookie = answer.headers.get("set-cookie")!;
    assert.match(cookie, /HttpOnly/);
    assert.match(cookie, /SameSite=Lax/);
    return cookie.split(";")[0]!;
  }

  const ask = (path: string, cookie = "") => fetch(`${app.url}${path}`, { headers: { cookie }, redirect: "manual" });

  async function tokenOf(user: string, doc: string): Promise<string> {
    const answer = await ask(`/token?doc=${doc}`, await cookieOf(user));
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    return ((await answer.json()) as { token: string }).token;
  }

  /** A token's claims, after a look at everything else about it. */
  function claimsOf(token: string): Record<string, any> {
    const [header, claims, signature] = token.split(".");
    const said = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());
    assert.deepEqual(said(header!), { alg: "HS256", typ: "JWT", kid: keys.kid });
    assert.equal(signature, createHmac("sha256", keys.secret).update(`${header}.${claims}`).digest("base64url"));
    const { iat, exp, ...rest } = said(claims!);
    assert.ok(Number.isInteger(iat) && Math.abs(iat - Date.now() / 1000) < 5, "it is issued now, in whole seconds");
    assert.ok(Number.isInteger(exp) && exp > iat && exp - iat <= 24 * 3600, "it ends within a day");
    return rest;
  }

  const share = (token: string, asked: object | string) =>
    fetch(`${app.url}/share`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: typeof asked === "string" ? asked : JSON.stringify(asked),
    });

  test(`${kind}: a token names its user, one document, and the right to it`, async () => {
    const claims = (sub: string, name: string, docs: object) => ({ sub, name, aud: "inklog", inklog: { docs } });
    assert.deepEqual(claimsOf(await tokenOf("ada", "anything")), claims("ada", "Ada", { anything: "manage" }));
    assert.deepEqual(claimsOf(await tokenOf("ben", "notes")), claims("ben", "Ben", { notes: "write" }));
    assert.deepEqual(claimsOf(await tokenOf("cyd", "notes")), claims("cyd", "Cyd", { notes: "read" }));
    assert.deepEqual(claimsOf(await tokenOf("ben", "other")), claims("ben", "Ben", {}));
    assert.deepEqual(claimsOf(await tokenOf("dan", "notes")), claims("dan", "Dan", {}));
  });

  test(`${kind}: nobody gets a token without a password`, async () => {
    for (const [user, password] of [["ada", "ben"], ["ada", ""], ["eve", "eve"], ["eve", ""], ["constructor", ""], ["__proto__", "x"]] as const) {
      const answer = await post(user, password);
      assert.equal(answer.status, 401, user);
      assert.equal(answer.headers.get("set-cookie"), null);
    }
    for (const cookie of ["", "session=", "session=x", "session=constructor", "other=1"]) {
      assert.equal((await ask("/token?doc=notes", cookie)).status, 401, cookie);
      const page = await fetch(signInUrl("notes"), { headers: { cookie }, redirect: "manual" });
      assert.equal(page.status, 200);
      assert.match(await page.text(), /<form method="post">/);
    }
    const ada = await cookieOf("ada");
    for (const doc of ["", "*", "a*", "a/b", "é", "x".repeat(129)]) assert.equal((await ask(`/token?doc=${encodeURIComponent(doc)}`, ada)).status, 400, doc);
  });

  test(`${kind}: signing in leads back to the document with a token in the fragment, and nowhere else`, async () => {
    const ben = await cookieOf("ben");
    const answer = await fetch(signInUrl("notes"), { headers: { cookie: ben }, redirect: "manual" });
    assert.equal(answer.status, 303);
    const back = new URL(answer.headers.get("location")!);
    assert.equal(back.origin + back.pathname + back.search, `${EDITOR}/d/notes`);
    assert.deepEqual(claimsOf(new URLSearchParams(back.hash.slice(1)).get("token")!).inklog, { docs: { notes: "write" } });
    for (const elsewhere of ["", "https://evil.example/d/notes", `${EDITOR}.evil.example/d/notes`, `${EDITOR}@evil.example/d/notes`, `${EDITOR}/d/notes?x`, `${EDITOR}/d/notes/../../x`, `${EDITOR}/`, "/d/notes", "javascript:alert(1)"]) {
      const refused = await ask(`/sign-in?return=${encodeURIComponent(elsewhere)}`, ben);
      assert.equal(refused.status, 400, elsewhere);
      assert.equal(refused.headers.get("location"), null);
    }
    // As somebody else: the form comes once more, and not again after that.
    const anew = `${signInUrl("notes")}&prompt=login`;
    assert.equal((await fetch(anew, { headers: { cookie: ben }, redirect: "manual" })).status, 200);
    const cyd = await post("cyd", "cyd", anew);
    const next = await ask(cyd.headers.get("location")!, cyd.headers.get("set-cookie")!.split(";")[0]);
    assert.deepEqual(claimsOf(next.headers.get("location")!.split("#token=")[1]!).sub, "cyd");
    // The form's own address leads nowhere else, either.
    const odd = await post("ben", "ben", `${app.url}//evil.example/sign-in?return=x`);
    assert.doesNotMatch(odd.headers.get("location") ?? "", /evil/);
  });

  test(`${kind}: only the editor's page may ask with the session's cookie`, async () => {
    for (const [method, path] of [["GET", "/token?doc=notes"], ["OPTIONS", "/share"]] as const) {
      const { headers } = await fetch(`${app.url}${path}`, { method, headers: { origin: "https://evil.example" } });
      assert.equal(headers.get("access-control-allow-origin"), EDITOR);
      assert.equal(headers.get("access-control-allow-credentials"), "true");
    }
  });

  test(`${kind}: a shared link gives a right that its maker has, to that document, and takes none away`, async () => {
    const ben = await tokenOf("ben", "notes");
    const answer = await share(ben, { doc: "notes", right: "read" });
    assert.equal(answer.status, 200);
    const { link } = (await answer.json()) as { link: string };
    assert.equal((await fetch(link, { redirect: "manual" })).status, 200, "signing in comes first");
    const open = async (user: string, url: string) => fetch(url, { headers: { cookie: await cookieOf(user) }, redirect: "manual" });
    const docsOf = async (user: string, doc: string) => claimsOf(await tokenOf(user, doc)).inklog.docs;
    assert.match((await open("dan", link)).headers.get("location")!, /^http:\/\/127\.0\.0\.1:8080\/d\/notes#token=/);
    assert.deepEqual(await docsOf("dan", "notes"), { notes: "read" });
    assert.deepEqual(await docsOf("dan", "other"), {});
    await open("ada", link);
    assert.deepEqual(await docsOf("ada", "notes"), { notes: "manage" });
    // For one document, an invitation is no token, and a token no invitation.
    await open("dan", link.replace("notes", "other"));
    assert.deepEqual(await docsOf("dan", "other"), {});
    assert.equal((await share(new URL(link).searchParams.get("invitation")!, { doc: "notes", right: "read" })).status, 401);
    const forged = new URL(link);
    forged.searchParams.set("invitation", await tokenOf("ada", "notes"));
    await open("dan", forged.href);
    assert.deepEqual(await docsOf("dan", "notes"), { notes: "read" });
  });

  test(`${kind}: nobody shares more than they have`, async () => {
    const cyd = await tokenOf("cyd", "notes");
    assert.equal((await share(cyd, { doc: "notes", right: "write" })).status, 403);
    assert.equal((await share(cyd, { doc: "other", right: "read" })).status, 403);
    assert.equal((await share(cyd, { doc: "notes", right: "manage" })).status, 400);
    for (const odd of ["", "null", "[]", "{", '{"doc":"a/b","right":"read"}', '{"doc":["notes"],"right":"read"}']) assert.equal((await share(cyd, odd)).status, 400, odd);
    const [header, claims, signature] = cyd.split(".");
    for (const bad of ["", "x", "a.b.c", `${header}.${claims}.`, `${header}.${claims}x.${signature}`, `${header}.${claims}.${signature!.slice(1)}`]) {
      assert.equal((await share(bad, { doc: "notes", right: "read" })).status, 401, bad);
    }
  });
}
