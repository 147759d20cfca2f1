"""Sides of the app that need no page: sessions, uploads, queues, processes, runs, logs and upkeep.

Nothing here draws or touches a page's state. Only `runtime` imports Streamlit, for handles of the
running server: session ids, options, caches, uploaded and played files.
"""
