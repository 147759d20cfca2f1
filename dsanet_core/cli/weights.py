"""Commands about weights: import."""

from __future__ import annotations

import argparse

from dsanet_core.cli.output import Progress, print_json
from dsanet_core.errors import printable


def import_weights(args: argparse.Namespace) -> None:
    """Says what was understood of a checkpoint, once it is one of those at hand."""
    with Progress("checking"):
        from dsanet_core.checkpoints import at_hand, import_checkpoint, load_model

        name = import_checkpoint(args.checkpoint, args.name)
        network, kept = load_model(name, "cpu"), at_hand()[name]["path"]
    spec, weights, protocol = network.spec, network.weights, network.spec.protocol
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if args.json:
        print_json({
            "name": name,
            "file": str(kept),
            "model": spec.name,
            "description": spec.description,
            "classes": len(spec.classes),
            "parameters": parameters,
            "sha256": weights.sha256,
            "trained_on": weights.trained_on,
            "accuracy": weights.accuracy,
            "protocol": protocol.describe(),
            "mean": list(protocol.mean),
            "std": list(protocol.std),
        })  # fmt: skip
        return
    mean, std = (", ".join(f"{n:.3g}" for n in values) for values in (protocol.mean, protocol.std))
    lines = {
        "model": f"{spec.name}, {parameters / 1e6:.2f} M parameters",
        "classes": f"{len(spec.classes)}, the first '{spec.classes[0]}'",
        "trained on": weights.trained_on or "not said",
        "sees": protocol.describe(),
        "normalised": f"RGB of 0 to 1, mean {mean}, deviation {std}",
        "sha256": weights.sha256,
        "kept as": str(kept),
    }
    print(f"{name} is at hand: --model {name}")
    for what, text in lines.items():
        print(f"  {what:<11} {printable(text)}")
