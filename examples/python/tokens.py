"""JWTs signed with HS256. In an application of your own, use a library for it, such as PyJWT."""

import base64
import hashlib
import hmac
import json
import time


class Tokens:
    """Signs and verifies with the first symmetric key of a file that `inklog keys new --alg HS256` wrote."""

    def __init__(self, file):
        with open(file, encoding="utf-8") as keys:
            key = next((key for key in json.load(keys)["keys"] if key["kty"] == "oct"), None)
        if key is None:
            raise SystemExit(f"{file} has no symmetric key: write one with `inklog keys new --alg HS256 > {file}`")
        self._secret = _decode(key["k"])
        self._header = {"alg": "HS256", "typ": "JWT", "kid": key["kid"]}

    def sign(self, claims, seconds):
        iat = int(time.time())
        parts = [self._header, {**claims, "iat": iat, "exp": iat + seconds}]
        body = ".".join(_encode(json.dumps(part).encode()) for part in parts)
        return f"{body}.{_encode(self._mac(body))}"

    def verify(self, token, aud):
        """The claims of a token of this key for this audience that has not ended; None for anything else."""
        body, _, signature = (token or "").rpartition(".")
        try:
            if not hmac.compare_digest(self._mac(body), _decode(signature)):
                return None
            said = json.loads(_decode(body.split(".")[1]))
        except (ValueError, IndexError):
            return None
        return said if said["aud"] == aud and said["exp"] > time.time() else None

    def _mac(self, text):
        return hmac.new(self._secret, text.encode(), hashlib.sha256).digest()


def _encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
