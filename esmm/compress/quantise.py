"""From a torch module to an int8 graph: exported, quantised, and compared with what it was made from.

A text encoder's sums are quantised as they come (dynamic), a photo encoder's by what sample photos make of them
(static). Where that costs too much, the weights alone are: as small, nearer, and slower.
"""

import inspect
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.encoders.onnx import CONFIG, GRAPH, TOKENIZER, WEIGHTS_ONLY, OnnxConfig, load_onnx
from esmm.errors import EncoderError

if TYPE_CHECKING:
    from esmm.compress.originals import Original
    from esmm.encoders.base import Matrix

# The mean cosine to the vectors before, below which the next way is taken; the last one refuses.
_FLOOR = {"dynamic": 0.98, "static": 0.98, WEIGHTS_ONLY: 0.95}
_EXACT = 0.999  # a graph of full precision below it computes something else
_OPSET, _MEASURED, _CALIBRATED, _BATCH = 17, 256, 64, 8
_SMALL = 10_000  # numbers; a smaller table stays as it is, which costs little and keeps the first layers exact
Quantise = Callable[[Path, Path], None]


def quantised(made_of: "Original", samples: Sequence[Any], work: Path) -> Path:
    """Write the compressed form of an encoder into a new folder inside ``work`` and return it. Raises EncoderError.

    ``samples`` are texts or photos; every second one calibrates, the others measure.
    """
    folder, config = work / "new", made_of.config
    folder.mkdir()
    if made_of.tokenizer:
        (folder / TOKENIZER).write_text(made_of.tokenizer, encoding="utf-8")
    measured, calibrating = samples[::2][:_MEASURED], (samples[1::2] or samples)[:_CALIBRATED]
    wanted = made_of.encode(measured)
    _export(made_of, folder / GRAPH)
    if (exact := _compared(folder, config, measured, wanted).cosine_mean) < _EXACT:
        raise _unfit(made_of, f"exported, its vectors have a mean cosine of {exact:.3f} to what they were")
    exported = (folder / GRAPH).rename(work / "exported.onnx")
    for kind, quantise in _ways(config, calibrating).items():
        with _quiet():
            quantise(exported, folder / GRAPH)
        found = _compared(folder, replace(config, quantised=kind), measured, wanted)
        if found.cosine_mean >= _FLOOR[kind]:
            return folder
    raise _unfit(made_of, f"as int8, its vectors have a mean cosine of {found.cosine_mean:.3f} to what they were")


def _compared(folder: Path, config: OnnxConfig, measured: Sequence[Any], wanted: "Matrix") -> OnnxConfig:
    """Write the config of a graph into its folder, with the cosines between its vectors and those wanted."""
    _write(folder, config)
    cosines = (load_onnx(folder).encode(measured) * wanted).sum(axis=1)
    mean, worst = (round(float(cosine), 5) for cosine in (cosines.mean(), cosines.min()))
    _write(folder, found := replace(config, cosine_mean=mean, cosine_worst=worst))
    return found


def _unfit(made_of: "Original", why: str) -> EncoderError:
    return EncoderError(f"{made_of.encoder.info.id} cannot be compressed: {why}", "use it as it is, by torch")


def _ways(config: OnnxConfig, calibrating: Sequence[Any]) -> dict[str, Quantise]:
    """Return the ways to quantise an encoder, the fastest first."""
    if config.takes == "text":
        return {"dynamic": _dynamic, WEIGHTS_ONLY: _weights}
    return {"static": partial(_static, photos=calibrating, config=config), WEIGHTS_ONLY: _weights}


def _export(made_of: "Original", path: Path) -> None:
    import torch

    names = list(made_of.inputs)
    axes = {name: {0: "batch"} | ({1: "length"} if made_of.config.takes == "text" else {}) for name in names}
    # The older exporter needs no further package, and its graphs are one file and run faster.
    known = inspect.signature(torch.onnx.export).parameters
    older: dict[str, Any] = {"dynamo": False} if "dynamo" in known else {}
    try:
        with _quiet(), torch.inference_mode():
            torch.onnx.export(
                made_of.module,
                tuple(made_of.inputs.values()),
                str(path),
                input_names=names,
                output_names=["vector"],
                dynamic_axes={**axes, "vector": {0: "batch"}},
                opset_version=_OPSET,
                **older,
            )
    except (RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise _unfit(made_of, reason) from None


def _dynamic(source: Path, target: Path) -> None:
    """Quantise products and word vectors; 7 bits of a weight cannot overflow on processors without int8 sums."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    kinds = ["MatMul", "Gather"]
    quantize_dynamic(
        source, target, op_types_to_quantize=kinds, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8
    )


def _static(source: Path, target: Path, *, photos: Sequence[Any], config: OnnxConfig) -> None:
    from onnxruntime.quantization import QuantFormat, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = target.with_name("prepared.onnx")
    quant_pre_process(source, prepared)
    quantize_static(prepared, target, _Calibration(photos, config), quant_format=QuantFormat.QDQ, per_channel=True)
    prepared.unlink()


class _Calibration:
    """Photos a few at a time, as onnxruntime asks for them."""

    def __init__(self, photos: Sequence[Any], config: OnnxConfig) -> None:
        from esmm.encoders.pixels import FITS

        self._fit, self._side, self._left = FITS[config.fit], config.side, list(photos)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next inputs, or None."""
        import numpy as np

        batch, self._left = self._left[:_BATCH], self._left[_BATCH:]
        return {"pixels": np.stack([self._fit(photo, self._side) for photo in batch])} if batch else None


def _weights(source: Path, target: Path) -> None:
    """Keep each table of weights as int8 with a scale a channel; onnxruntime makes floats of them when it loads."""
    import onnx
    from onnx import helper

    model = onnx.load(source)
    tables = {table.name: table for table in model.graph.initializer}
    channels: dict[str, int] = {}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul", "Gather"):
            channels |= {name: _channel(node, tables[name]) for name in node.input if name in tables}
    added = []
    for name, axis in channels.items():
        if parts := _int8(tables[name], axis):
            model.graph.initializer.remove(tables[name])
            model.graph.initializer.extend(parts)
            added.append(helper.make_node("DequantizeLinear", [part.name for part in parts], [name], axis=axis))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*added, *nodes])
    onnx.save(model, target)


def _channel(node: Any, table: Any) -> int:
    """Return the axis of a table that has a scale for each entry: its outputs, or its words."""
    turned = any(setting.name == "transB" and setting.i for setting in node.attribute)
    return 0 if turned or node.op_type in ("Conv", "Gather") else len(table.dims) - 1


def _int8(table: Any, axis: int) -> list[Any]:
    """Return a table of weights as int8 and its scales; nothing for one that is small or holds no floats."""
    import numpy as np
    from onnx import numpy_helper

    values = numpy_helper.to_array(table)
    if values.dtype != np.float32 or values.ndim < 2 or values.size < _SMALL:
        return []
    others = tuple(number for number in range(values.ndim) if number != axis)
    scales = np.maximum(np.abs(values).max(axis=others, keepdims=True), 1e-12) / 127
    whole = np.round(values / scales).astype(np.int8)
    named = {f"{table.name}.int8": whole, f"{table.name}.scale": scales.reshape(-1).astype(np.float32)}
    return [numpy_helper.from_array(array, name) for name, array in named.items()]


def _write(folder: Path, config: OnnxConfig) -> None:
    (folder / CONFIG).write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep exporter and quantiser from telling a user about themselves."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
