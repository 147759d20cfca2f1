"""Measurements of this machine, of its CPU (`python -m tools.bench`) and of one CUDA GPU
(`python -m tools.bench.gpu`): every figure with its spread and protocol, compared variants in turns
(`timing`), one table for both (`table`). A section imports what it needs when it runs."""
