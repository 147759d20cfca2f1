"""The papers' ablations, repeated in small on the embedded benchmark.

Tables 2a to 2h of DSANet (Wu et al., 2021) and 1 and 2 of SDA (Tan et al., 2021): every setting is
trained by several seeds, and `docs/ablations.md` holds the papers' figures beside ours.
"""
