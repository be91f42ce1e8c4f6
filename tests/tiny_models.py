"""Tiny models with random weights, made on the spot, of the classes and in the layout of those on the hub."""

import json
from pathlib import Path
from typing import Any

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "blue", "shoe", "shirt", "a", "photo", "of"]
WORDS += ["rot", "schuh", "query", "passage", ":", "green", "black", "lamp"]
LAYERS: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
CLIP_DIMS = 12


def backbone(file: Path, name: str = "mobilenet_v3_small") -> Path:
    """A weights file of a torchvision model, drawn at random."""
    import torch
    from torchvision.models import get_model

    torch.manual_seed(1)
    torch.save(get_model(name, weights=None).state_dict(), file)
    return file


def save_tokenizer(folder: Path, length: int) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    numbers = {word: number for number, word in enumerate(WORDS)}
    words = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "eos_token": "[SEP]"}
    made: Any = PreTrainedTokenizerFast
    made(tokenizer_object=words, model_max_length=length, **special).save_pretrained(folder)


def bert(folder: Path) -> Path:
    """A text model: BERT, pooled by the mean."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **LAYERS)
    BertModel(config).save_pretrained(folder)
    save_tokenizer(folder, 32)
    return folder


def clip(folder: Path) -> Path:
    """A model for texts and photos, laid out as clip-ViT-B-32 is."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    inner = folder / "0_CLIPModel"
    torch.manual_seed(5)  # with it words and photos lie on one side: a cosine below 0 counts 0 in a search
    text = {"vocab_size": len(WORDS), "max_position_embeddings": 16, "bos_token_id": 2, "eos_token_id": 3, **LAYERS}
    vision = {"image_size": 16, "patch_size": 8, **LAYERS}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=CLIP_DIMS)).save_pretrained(inner)
    save_tokenizer(inner, 16)
    CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}).save_pretrained(inner)
    module = {"idx": 0, "name": "0", "path": inner.name, "type": "sentence_transformers.models.CLIPModel"}
    (folder / "modules.json").write_text(json.dumps([module]), encoding="utf-8")
    return folder


def twin(folder: Path) -> Path:
    """A text model whose vectors are as long as those of the CLIP model, as its multilingual twin's are."""
    import warnings

    import torch

    with warnings.catch_warnings():  # version 6 has the parts in another place, version 3 only in this one
        warnings.simplefilter("ignore", DeprecationWarning)
        from sentence_transformers import SentenceTransformer, models

    words = models.Transformer(str(bert(folder / "bert")))
    torch.manual_seed(1)
    pooled = models.Pooling(LAYERS["hidden_size"], pooling_mode="mean")
    dense = models.Dense(LAYERS["hidden_size"], CLIP_DIMS, bias=False, activation_function=torch.nn.Identity())
    SentenceTransformer(modules=[words, pooled, dense], device="cpu").save(str(folder / "twin"))
    return folder / "twin"


def cached(model: Path, cache: Path, name: str) -> None:
    """Put a model where the hub's own library looks for it before it asks the hub."""
    import shutil

    place = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(model, place / "snapshots" / "abc")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
