"""How a page ends before its last line: st.stop() would end what is done after a page as well."""


class PageEnd(Exception):  # noqa: N818
    """Nothing more is drawn; choices are kept, and the address says what they are."""
