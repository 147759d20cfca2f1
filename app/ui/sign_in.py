"""Sign-in through OpenID Connect, where `.streamlit/secrets.toml` configures it; else everybody who
reaches the server may use it. `docs/security.md` says how to set it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import config
from streamlit.errors import StreamlitSecretNotFoundError

from app.ui.text import escape


def require() -> None:
    """Ends the page for who has not signed in or is not on the list; names the others."""
    try:
        secrets = _secrets()
    except (StreamlitSecretNotFoundError, OSError, ValueError):
        # Whoever wrote the file wanted a lock: a slip in it must not leave the door open.
        st.error(
            "The server's secrets cannot be read, so nobody can sign in.  \n"
            "**What to do:** whoever runs the server finds the reason in its log.",
            icon=":material/error:",
        )
        st.stop()
    if "auth" not in secrets:
        return
    if not st.user.is_logged_in:
        st.title("DSANet Lens")
        st.markdown("This server asks who you are.")
        st.button("Sign in", icon=":material/login:", type="primary", on_click=st.login)
        st.stop()
    user = st.user.to_dict()
    name = escape(str(user.get("email") or user.get("name") or user.get("sub")))
    with st.sidebar:
        st.caption(f"Signed in as {name}")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)
    if not is_allowed(user, secrets.get("access", {}).get("allowed")):
        st.error(
            f"{name} may not use this server.  \n"
            "**What to do:** sign in as somebody else, or ask whoever runs the server.",
            icon=":material/block:",
        )
        st.stop()


def is_allowed(user: Mapping[str, Any], allowed: Sequence[str] | None) -> bool:
    """Whether an address, or its domain as in `@example.org`, is on the list; True without one."""
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
