"""Sign-in through OpenID Connect if `.streamlit/secrets.toml` configures it (`docs/security.md`);
otherwise everybody who reaches the server may use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import config
from streamlit.errors import StreamlitSecretNotFoundError

from dsanet_core.report.text import escape


def require() -> None:
    """Ends the page for users who are not signed in or not allowed; names the others."""
    try:
        secrets = _secrets()
    except (StreamlitSecretNotFoundError, OSError, ValueError):
        # The file is meant to restrict access: a mistake in it must not grant access.
        st.error(
            "The server's sign-in configuration cannot be read, so nobody can sign in.  \n"
            "**What to do:** ask the server's administrator; the server's log has the reason.",
            icon=":material/error:",
        )
        st.stop()
    if "auth" not in secrets:
        return
    if not st.user.is_logged_in:
        st.title("DSANet Lens")
        st.markdown("Sign in to use this server.")
        st.button("Sign in", icon=":material/login:", type="primary", on_click=st.login)
        st.stop()
    user = st.user.to_dict()
    name = escape(str(user.get("email") or user.get("name") or user.get("sub")))
    with st.sidebar:
        st.caption(f"Signed in as {name}")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)
    if not is_allowed(user, secrets.get("access", {}).get("allowed")):
        st.error(
            f"{name} is not allowed to use this server.  \n"
            "**What to do:** sign in with another account, or ask the server's administrator.",
            icon=":material/block:",
        )
        st.stop()


def is_allowed(user: Mapping[str, Any], allowed: Sequence[str] | None) -> bool:
    """True if the address or its domain (`@example.org`) is on the list, or if there is no list."""
    if allowed is None:
        return True
    address = str(user.get("email") or "").casefold()
    known = {each.casefold() for each in allowed}
    domain = address[address.rfind("@") :] if "@" in address else None
    is_named = bool(address) and bool({address, domain} & known)
    return is_named and user.get("email_verified") is not False


def _secrets() -> Mapping[str, Any]:
    """Empty where there is no file. Raises StreamlitSecretNotFoundError, OSError or ValueError for
    one that cannot be read."""
    if not any(Path(file).exists() for file in config.get_option("secrets.files")):
        return {}
    return st.secrets.to_dict()
