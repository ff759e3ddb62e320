"""An application that signs its users in and hands out tokens for Inklog. ../README.md tells how to run it, and what
it simplifies."""

import json
import os
import re
import secrets
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

from tokens import Tokens

PORT = int(os.environ.get("PORT", "3000"))
EDITOR = os.environ.get("EDITOR", "http://127.0.0.1:8080")
TOKENS = Tokens(os.environ.get("KEYS", "keys.json"))
TOKEN_SECONDS = int(os.environ.get("TOKEN_SECONDS", "3600"))
INVITATION_SECONDS = 7 * 24 * 3600

# Your database has these. `*` stands for every document.
passwords = {"ada": "ada", "ben": "ben", "cyd": "cyd", "dan": "dan"}
rights = {("ada", "*"): "manage", ("ben", "notes"): "write", ("cyd", "notes"): "read"}
sessions = {}

RIGHTS = ["none", "read", "write", "manage"]


def right_of(user, doc):
    return rights.get((user, doc)) or rights.get((user, "*")) or "none"


def is_more(right, than):
    return RIGHTS.index(right) > RIGHTS.index(than)


def is_doc(doc):
    return isinstance(doc, str) and re.fullmatch(r"[\w.~-]{1,128}", doc, re.ASCII) is not None


def token_for(user, doc):
    """For one document. Somebody without a right to it gets a token that names none; Inklog then answers `forbidden`."""
    right = right_of(user, doc)
    docs = {} if right == "none" else {doc: right}
    return TOKENS.sign({"sub": user, "name": user.capitalize(), "aud": "inklog", "inklog": {"docs": docs}}, TOKEN_SECONDS)


FORM = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Sign in</title>
<form method="post"><h1>Sign in</h1><p><label>Name <input name="user"></label></p>
<p><label>Password <input name="password" type="password"></label></p><p><button>Sign in</button></p></form>"""


class Application(BaseHTTPRequestHandler):
    """Each route answers with a status, a page or JSON, and headers."""

    def get_sign_in(self):
        """Leads back to the editor with a token in the fragment, and nowhere else: whoever gets the token has the right."""
        back = self.query.get("return", "")
        doc = back.removeprefix(f"{EDITOR}/d/")
        if doc == back or not is_doc(doc):
            return 400, f"Documents are at {EDITOR}/d/…"
        if self.user is None or self.query.get("prompt") == "login":
            return 200, FORM
        invited = TOKENS.verify(self.query.get("invitation"), "invitation")
        if invited and invited["doc"] == doc and is_more(invited["right"], right_of(self.user, doc)):
            rights[self.user, doc] = invited["right"]
        return 303, "", {"location": f"{back}#token={token_for(self.user, doc)}"}

    def post_sign_in(self):
        said = dict(parse_qsl(self.body))
        user = said.get("user")
        if user not in passwords or passwords[user] != said.get("password"):
            return 401, FORM
        session = secrets.token_urlsafe()
        sessions[session] = user
        self.query.pop("prompt", None)
        return 303, "", {"location": f"/sign-in?{urlencode(self.query)}", "set-cookie": f"session={session}; HttpOnly; SameSite=Lax; Path=/"}

    def get_token(self):
        """For the editor: a fresh token before the last one ends."""
        doc = self.query.get("doc")
        if not is_doc(doc):
            return 400, {"error": "name a document"}
        if self.user is None:
            return 401, {"error": "not signed in"}
        return 200, {"token": token_for(self.user, doc)}

    def post_share(self):
        """For the share dialog: a link that gives whoever opens it and signs in a right to the document."""
        token = TOKENS.verify(self.headers.get("authorization", "").removeprefix("Bearer "), "inklog")
        if token is None:
            return 401, {"error": "not signed in"}
        asked = json.loads(self.body)
        doc, right = asked.get("doc"), asked.get("right")
        if not is_doc(doc) or right not in ("read", "write"):
            return 400, {"error": "name a document, and read or write"}
        if is_more(right, right_of(token["sub"], doc)):
            return 403, {"error": "that is more than your own right"}
        invitation = TOKENS.sign({"aud": "invitation", "doc": doc, "right": right}, INVITATION_SECONDS)
        query = urlencode({"return": f"{EDITOR}/d/{doc}", "invitation": invitation})
        return 200, {"link": f"http://127.0.0.1:{self.server.server_port}/sign-in?{query}"}

    def options_share(self):
        """A browser asks first whether the editor's page may send JSON and a token."""
        return 204, ""

    ROUTES = {
        ("GET", "/sign-in"): get_sign_in,
        ("POST", "/sign-in"): post_sign_in,
        ("GET", "/token"): get_token,
        ("POST", "/share"): post_share,
        ("OPTIONS", "/share"): options_share,
    }

    def answer(self):
        url = urlsplit(self.path)
        self.query = dict(parse_qsl(url.query))
        self.body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        cookie = SimpleCookie(self.headers.get("cookie", "")).get("session")
        self.user = sessions.get(cookie.value) if cookie else None
        route = self.ROUTES.get((self.command, url.path), lambda _: (404, "Page not found"))
        try:
            status, said, *more = route(self)
        except (ValueError, AttributeError):
            status, said, more = 400, "That cannot be read", []
        is_page = isinstance(said, str)
        data = (said if is_page else json.dumps(said)).encode()
        self.send_response(status)
        for name, value in {
            "content-type": "text/html; charset=utf-8" if is_page else "application/json",
            "content-length": str(len(data)),
            "cache-control": "no-store",
            "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
            # The editor's page may ask with the session's cookie; no other page may.
            "access-control-allow-origin": EDITOR,
            "access-control-allow-credentials": "true",
            "access-control-allow-headers": "authorization, content-type",
            **(more[0] if more else {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_OPTIONS = answer

    def log_message(self, *_):
        """Addresses may hold an invitation, so none is logged."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Application)
    print(f"ready: http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
