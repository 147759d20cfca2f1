"""An OpenID Connect provider on this machine that signs everybody in as the person it is told."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "lens", "a secret between provider and client"


class Provider:
    """person: claims of whoever signs in next."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.person: Mapping[str, Any] = {}
        self._key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self._nonces: dict[str, str] = {}

    def get(self, path: str, query: Mapping[str, str]) -> tuple[int, Any]:
        """Status, and a document or where to go."""
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.address, "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token", "jwks_uri": f"{self.address}/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code"], "subject_types_supported": ["public"],
            }
        if path == "/keys":
            return 200, {"keys": [self._key.as_dict(private=False)]}
        if path == "/authorize" and query["client_id"] == CLIENT:
            code = secrets.token_hex(8)
            self._nonces[code] = query["nonce"]
            back = urlencode({"code": code, "state": query["state"]})
            return 302, f"{query['redirect_uri']}?{back}"
        return 404, {}

    def post(self, path: str, form: Mapping[str, str]) -> tuple[int, Any]:
        if path != "/token" or form.get("code") not in self._nonces:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.address, "aud": CLIENT, "iat": now, "exp": now + 300,
            "nonce": self._nonces.pop(form["code"]), **self.person,
        }
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self._key)
        return 200, {"access_token": "none", "token_type": "Bearer", "id_token": signed}


@contextmanager
def running_provider() -> Iterator[Provider]:
    """On a free port, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._answer(*provider.get(parts.path, _single(parts.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(*provider.post(self.path, _single(body)))

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def _answer(self, status: int, said: Any) -> None:
            body = b"" if status == 302 else json.dumps(said).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", said)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = Provider(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()


def _single(query: str) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(query).items()}
