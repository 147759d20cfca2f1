"""Files that want to run programs, to take memory or time, or to be what they are not.

Every kind is a function of a folder and of a canary, a file that must never appear: it writes one
file and returns its path. Beside it stands what the refusal must say.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zipfile

import numpy as np
import torch

from tests.checkpoints.files import (
    good,
    other_entries,
    other_tensors,
    pickled,
    spec,
    write_zip,
)
from tests.checkpoints.makers import (
    Maker,
    archive_of,
    as_folder,
    by_instruction,
    entry,
    large,
    legacy,
    lying_sizes,
    more_files_than_said,
    nested_tuples,
    numpy_archive,
    of_safetensors,
    overlapping_files,
    prepended,
    program,
    replaced,
    second_directory,
    shared,
    shell,
    sparse_file,
    stack_global,
    storage_past_its_file,
    tar,
    terabytes_by_stride,
    with_entry,
    with_header,
    with_metadata,
    with_spec,
    with_text,
    written,
)

SAFE, PTH = "a.safetensors", "a.pth"
HOSTILE: dict[str, tuple[Maker, str]] = {
    # Programs.
    "a shell command in the metadata": (
        lambda f, c: archive_of(f, {"metadata": {"format": shell(c)}, "tensors": {}}),
        r"asks to run posix\.system"),
    "a program among the tensors": (
        lambda f, c: archive_of(f, {"metadata": {}, "tensors": {"x": program(c)}}),
        r"asks to run builtins\.exec"),
    "names from the memo": (
        lambda f, c: pickled(f / PTH, stack_global(c)), r"asks to run posix\.system"),
    "an old instruction": (
        lambda f, c: pickled(f / PTH, by_instruction(c)), r"asks to run posix\.system"),
    "an object that is built": (
        lambda f, c: pickled(f / PTH, b"\x80\x02(S'x'\no."), r"build an object \(OBJ\)"),
    "an extension": (lambda f, c: pickled(f / PTH, b"\x80\x02\x82\x01."), r"\(EXT1\)"),
    "a numpy array": (
        lambda f, c: archive_of(f, {"metadata": {}, "tensors": {"x": np.zeros(3)}}),
        r"asks to run numpy"),
    "a whole network": (
        lambda f, c: archive_of(f, torch.nn.Linear(2, 2)), r"asks to run torch\.nn"),
    "a bare pickle": (
        lambda f, c: written(f / "a.pkl", pickle.dumps(shell(c), 4)), "a bare pickle"),
    "a pickle of the old torch": (legacy, r"asks to run posix\.system"),
    "a TorchScript program": (
        lambda f, c: write_zip(f / "a.pt", {
            "a/data.pkl": b"\x80\x02}.", "a/code/__torch__.py": b"", "a/constants.pkl": b"."}),
        "a TorchScript program"),
    "a nested pickle": (
        lambda f, c: pickled(f / PTH, nested_tuples(c)), "no 'metadata' and 'tensors'"),
    "a pickle of lists": (
        lambda f, c: pickled(f / PTH, b"\x80\x02" + b"]" * 1_900_000 + b"."),
        "more than 200000 instructions"),
    "a pickle of fewer lists": (
        lambda f, c: pickled(f / PTH, b"\x80\x02" + b"]" * 190_000 + b"."),
        "no 'metadata' and 'tensors'"),
    "a pickle of sets": (
        lambda f, c: pickled(f / PTH, b"\x80\x04" + b"\x8f" * 190_000 + b"."), "EMPTY_SET"),
    "a damaged pickle": (lambda f, c: pickled(f / PTH, b"\x80\x02}q"), "a damaged pickle"),
    # Archives.
    "a compressed bomb": (
        lambda f, c: write_zip(f / PTH, {"a/data.pkl": bytes(1 << 28)}, zipfile.ZIP_DEFLATED),
        "a compressed archive"),
    "an archive in the archive": (
        lambda f, c: other_entries(f / PTH, lambda e: e.update({"a/inner.zip": b"PK\x03\x04"})),
        "an archive within the archive"),
    "a path out of the archive": (
        lambda f, c: other_entries(f / PTH, lambda e: e.update({"a/../../x": b""})),
        "a path out of the archive"),
    "an absolute path": (
        lambda f, c: other_entries(f / PTH, lambda e: e.update({"/etc/x": b""})),
        "a path out of the archive"),
    "a name twice": (
        lambda f, c: other_entries(f / PTH, lambda e: e.update({"a/DATA.pkl": b"."})),
        "two files of one name"),
    "a foreign file": (
        lambda f, c: other_entries(f / PTH, lambda e: e.update({"a/hook.py": b"1"})),
        "'a/hook.py'"),
    "sizes that are not so": (lying_sizes, "another .* than its list of files says"),
    "files in each other": (overlapping_files, "another .* than its list of files says|overlap"),
    "something behind the archive": (second_directory, "something behind it"),
    "something before the archive": (prepended, "whose end is damaged"),
    "too many files": (
        lambda f, c: other_entries(
            f / PTH, lambda e: e.update({f"a/data/{n}": b"" for n in range(100, 20_000)})),
        "an archive of .* files"),
    "more files than said": (more_files_than_said, "more than it says"),
    "a huge pickle": (
        lambda f, c: pickled(f / PTH, b"\x80\x02" + b"]0" * (5 << 20) + b"."),
        "'a/data.pkl' in it of 10 MiB"),
    "another byte order": (
        lambda f, c: other_entries(f / PTH, lambda e: e.update({"a/byteorder": b"big"})),
        "the byteorder b'big'"),
    "an alignment of zero": (  # which torch divides by: the process would end
        lambda f, c: other_entries(f / PTH, lambda e: e.update({"a/.storage_alignment": b"0"})),
        "the .storage_alignment b'0'"),
    "a folder among the numbers": (  # torch 2.15 reads it as memory that nobody has written to
        as_folder, "has a folder where a file should be"),
    "no pickle": (
        lambda f, c: other_entries(f / PTH, lambda e: e.pop("a/data.pkl")), "without one data.pkl"),
    "a tar archive": (tar, "a tar archive"),
    "a gzip archive": (
        lambda f, c: written(f / "a.gz", gzip.compress(good(f / PTH).read_bytes())),
        "a gzip archive"),
    "numpy arrays": (numpy_archive, "an archive of numpy arrays"),
    "a numpy file": (
        lambda f, c: written(f / "a.npy", b"\x93NUMPY\x01\0" + bytes(100)), "a numpy array"),
    "a Keras file": (
        lambda f, c: written(f / "a.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)), "an HDF5 file"),
    "a Keras archive": (
        lambda f, c: write_zip(f / "a.keras", {"config.json": b"{}", "model.weights.h5": b""}),
        "a Keras archive"),
    "an ONNX graph": (
        lambda f, c: written(f / "a.onnx", b"\x08\x08\x12\x07pytorch" + bytes(100)),
        "an ONNX graph"),
    # Tensors.
    "terabytes by stride": (terabytes_by_stride, "as a view of 4 bytes"),
    "a view of more": (replaced(lambda: torch.zeros(4, 4)[0]), "as a view of 64 bytes"),
    "a view turned round": (
        lambda f, c: other_tensors(
            f / PTH, lambda t: t.update({"fc.weight": t["fc.weight"].t().contiguous().t()})),
        "as a view"),
    "two tensors in one memory": (
        lambda f, c: other_tensors(f / PTH, shared), "no file of that size alone"),
    "numbers past their file": (storage_past_its_file, "no file of that size alone"),
    "a sparse tensor": (replaced(lambda: torch.eye(4).to_sparse()), "a sparse tensor"),
    "a tensor without numbers": (replaced(lambda: torch.zeros(4, device="meta")), "meta device"),
    "complex numbers": (replaced(lambda: torch.zeros(4, dtype=torch.complex64)), "complex64"),
    "bits": (replaced(lambda: torch.zeros(4, dtype=torch.bool)), "as bool"),
    "bytes": (of_safetensors(lambda: torch.zeros(25, dtype=torch.uint8)), "as uint8"),
    "eight-bit floats": (
        of_safetensors(lambda: torch.zeros(25).to(torch.float8_e4m3fn)), "as float8_e4m3fn"),
    "integers for weights": (
        lambda f, c: other_tensors(
            f / PTH, lambda t: t.update({"bn1.weight": torch.ones(4, dtype=torch.int64)})),
        "'bn1.weight' holds numbers of int64"),
    "an empty tensor": (of_safetensors(lambda: torch.zeros(0, 3)), r"of shape \(0, 3\)"),
    "something else than a tensor": (
        lambda f, c: archive_of(f, {"metadata": {}, "tensors": {"x": [1, 2]}}), "'x', a list"),
    "one tensor missing": (
        lambda f, c: other_tensors(f / PTH, lambda t: t.pop("fc.bias")), "'fc.bias' absent"),
    "another shape": (replaced(lambda: torch.zeros(5)), r"'bn1.weight' \(5,\) vs \(4,\)"),
    "NaN": (large(float("nan")), "'layer4.1.bn2.weight' holds NaN"),
    "infinity": (large(float("inf")), "'layer4.1.bn2.weight' holds NaN or infinity"),
    "numbers too large for float32": (
        large(1e300, torch.float64), "'layer4.1.bn2.weight' holds NaN or infinity"),
    # Headers.
    "a header of exabytes": (
        lambda f, c: written(f / SAFE, struct.pack("<Q", 2**62) + b"{" + bytes(100)),
        "a header of"),
    "a header past the file": (
        lambda f, c: written(f / SAFE, struct.pack("<Q", 1000) + b"{}"), "its header alone"),
    "a huge header": (with_text(b"{" + b" " * (9 << 20) + b"}"), "a header of 9 MiB"),
    "a header of numbers": (
        with_text(b'{"x":[' + b"0.1," * 500_000 + b"0]}"), "more parts"),
    "a header in rare letters": (
        with_text(('{"x":"' + "x" * 2_000_000 + '\U0001f600"}').encode()), "without exactly dtype"),
    "a header of brackets": (with_text(b'{"x":[' + b"[]," * 300_000 + b"0]}"), "more parts"),
    "a header nested deeply": (with_text(b'{"x":' + b"[" * 9000 + b"]" * 9000 + b"}"), "deeply"),
    "a header with a name twice": (
        with_text(b'{"x":1,"x":2}'), "a name that is given twice"),
    "too many tensors": (
        with_text(json.dumps({f"{n}": entry("F32", [1], 4 * n, 4 * n + 4) for n in range(4001)})
                  .encode(), bytes(4 * 4001)), "4001 tensors"),
    "tensors that overlap": (
        with_text(json.dumps({"x": entry("F32", [2], 0, 8), "y": entry("F32", [2], 4, 12)})
                  .encode(), bytes(12)), "overlaps"),
    "a gap between tensors": (
        with_text(json.dumps({"x": entry("F32", [1], 0, 4), "y": entry("F32", [1], 8, 12)})
                  .encode(), bytes(12)), "a gap"),
    "a shape beyond its bytes": (with_entry(shape=[1 << 40]), "bytes for F32"),
    "a shape that overflows": (with_entry(shape=[2**62, 4]), "bytes for F32"),
    "a negative shape": (with_entry(shape=[-4]), "no list of sizes"),
    "a shape of yes and no": (with_entry(shape=[True, 4]), "no list of sizes"),
    "an unknown dtype": (with_entry(dtype="F1024"), "unknown dtype 'F1024'"),
    "a dtype that is a list": (with_entry(dtype=["F32"]), "its header"),
    "metadata that are no texts": (
        with_header(lambda h: h["__metadata__"].update(seed=[1])), "not texts by name"),
    "a tensor's name of control characters": (
        with_header(lambda h: h.update({"\x1b[2J": h.pop("fc.bias")})), "named '.x1b"),
    "numbers cut off": (
        lambda f, c: written(f / SAFE, good(f / SAFE).read_bytes()[:-9]), "its header promises"),
    # Descriptions.
    "a network of absurd width": (with_spec(args={"width": 10**9}), r"args\.width = 10"),
    "a network too wide": (with_spec(args={"width": 60_000}), "a network of .* GiB"),
    "a network of absurd depth": (with_spec(args={"depth": 10**9}), r"args\.depth = 10"),
    "a network of negative width": (with_spec(args={"width": -4}), r"args\.width = -4"),
    "a million stages": (
        with_spec(args={"sda": {"stages": [2] * 10**5}}), "100000 parts in args.sda.stages"),
    "no divisor": (
        with_spec(args={"sda": {"reduction": 0}}), "describes no network .ZeroDivisionError"),
    "an unknown part": (with_spec(args={"os": {"system": 1}}), "describes no network .*'os'"),
    "a number of classes": (with_spec(classes=10**9), "1000000000 classes"),
    "a million classes": (with_spec(classes=["x"] * 10**6), "a header of"),
    "classes without end": (with_spec(classes=["x"] * 60_000), "60000 classes"),
    "an endless class name": (with_spec(classes=["x" * 1999] * 25), "expected 1 to 200 characters"),
    "a class name of control characters": (
        with_spec(classes=["left\x1b[2J"] * 25), "must be printable"),
    "a class name that turns the text round": (
        with_spec(classes=["left\u202egnp.exe"] * 25), "must be printable"),
    "a billion snippets": (
        with_spec(sampling={"num_snippets": 8 * 10**8}), "num_snippets 800000000"),
    "half a snippet": (with_spec(sampling={"num_snippets": 8.0}), "num_snippets 8.0"),
    "frames without end": (
        with_spec(sampling={"num_snippets": 4096, "frames_per_snippet": 64}), "4096 x 64 frames"),
    "crops of a wall": (with_spec(protocol={"crop": 10**6, "resize": 10**6}), "resize 1000000"),
    "input of a wall": (with_spec(protocol={"resolution": 10**6}), "resolution 1000000"),
    "no deviation": (with_spec(protocol={"std": [0, 0, 0]}), "std above zero"),
    "a mean that is none": (
        with_metadata(spec=json.dumps(spec(protocol={"mean": [float("nan")] * 3}))), "number NaN"),
    "a precision that is a function": (with_spec(protocol={"precision": "load"}), "'load'"),
    "a protocol that is a list": (
        with_metadata(spec=spec() | {"protocol": [1]}), "model spec is not understood"),
    "accuracy in words": (
        with_metadata(accuracy={"top1": "<script>"}), r"accuracy 'top1': '<script>'"),
    "accuracy above all": (with_metadata(accuracy={"top1": 1e9}), "accuracy 'top1'"),
    "a seed of another kind": (with_metadata(seed=True), "has seed"),
    "a recipe without bottom": (with_metadata(recipe="[" * 5000), "has recipe .*deeply"),
    "a recipe beyond all numbers": (with_metadata(recipe='{"epochs": 1e999}'), "number inf"),
    "training data of control characters": (
        with_metadata(trained_on="\x1b]0;x\x07"), "was trained on"),
    "familiarity that is none": (
        with_metadata(familiarity='{"threshold": NaN, "true_rate": 1}'), "number NaN"),
    "familiarity without tensors": (
        with_metadata(familiarity={"threshold": 1, "true_rate": 1}),
        "familiarity is not understood"),
    "another format": (with_metadata(format="pt"), "format 'pt'"),
    "a version of the future": (with_metadata(version="9" * 6000), "version 1 or lower"),
    # Files.
    "a file of a terabyte": (sparse_file, "has 1024 GiB"),
    "nothing": (lambda f, c: written(f / SAFE, b""), "is empty"),
    "words": (lambda f, c: written(f / SAFE, b"not a checkpoint"), "no checkpoint of a known kind"),
    "an archive of nothing": (
        lambda f, c: written(f / PTH, io.BytesIO(b"PK\x05\x06" + bytes(18)).getvalue()),
        "without one data.pkl"),
}
