"""From a GGUF file of a Llama (as llama.cpp has them) to a model folder that transformers reads.

Weights are taken out of their 4- or 8-bit blocks and stored in bf16 as safetensors. That the folder
is written here, tensor by tensor, avoids a trap: a model that transformers itself reads from GGUF
refuses to be saved ("quantized with gguf and is not serializable").
Only the file's bytes are read; the package that carries it is never run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from relevance.errors import ModelError, require_extra

_SPECIAL = 3  # of tokenizer.ggml.token_type
_PARTS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_WHOLE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


def convert(source: Path, folder: Path) -> None:
    """Writes config.json, tokenizer.json and model.safetensors of `source` into `folder`.

    Raises:
        MissingExtraError: The package `gguf` is not installed.
        ModelError: The file is torn, or of another architecture or tokenizer.
    """
    require_extra("gguf", "demo-models")
    import gguf

    try:
        reader = gguf.GGUFReader(source)
        facts = {name: field.contents() for name, field in reader.fields.items()}
        config = _config(facts)
        tensors = {
            _rename(one.name): _restore(
                one.name, gguf.dequantize(one.data, one.tensor_type), config
            )
            for one in reader.tensors
        }
        tokenizer = _tokenizer(facts)
    except (ValueError, KeyError, IndexError, OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{source}: not a GGUF file of a Llama ({error!r})") from error
    config["tie_word_embeddings"] = "lm_head.weight" not in tensors
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _config(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Transformers' names for what the file says of itself."""
    if facts["general.architecture"] != "llama":
        raise ValueError(f"its architecture is {facts['general.architecture']!r}, not 'llama'")
    heads = facts["llama.attention.head_count"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": facts["llama.embedding_length"],
        "num_hidden_layers": facts["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": facts.get("llama.attention.head_count_kv", heads),
        "intermediate_size": facts["llama.feed_forward_length"],
        "vocab_size": len(facts["tokenizer.ggml.tokens"]),
        "max_position_embeddings": facts["llama.context_length"],
        "rms_norm_eps": facts["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": facts.get("llama.rope.freq_base", 10000.0),
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "dtype": "bfloat16",
    }


def _rename(name: str) -> str:
    """Transformers' name of a tensor."""
    if name in _WHOLE:
        return _WHOLE[name]
    found = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name)
    if found is None:
        raise KeyError(name)
    return f"model.layers.{found[1]}.{_PARTS[found[2]]}.weight"


def _restore(name: str, values: NDArray[np.float32], config: Mapping[str, Any]) -> torch.Tensor:
    """A tensor as transformers lays it out.

    llama.cpp rotates neighbouring numbers of a head, transformers those half a head apart: the rows
    of query and key matrices are stored in another order.
    """
    heads = {
        "attn_q": config["num_attention_heads"],
        "attn_k": config["num_key_value_heads"],
    }.get(name.split(".")[-2])
    if heads:
        paired = values.reshape(heads, -1, 2, values.shape[-1])
        values = paired.swapaxes(1, 2).reshape(values.shape)
    return torch.from_numpy(np.array(values, dtype=np.float32)).bfloat16()


def _tokenizer(facts: Mapping[str, Any]) -> Tokenizer:
    """A byte-level BPE that splits digits one by one, as SmolLM2 was trained with."""
    kind = facts["tokenizer.ggml.model"], facts["tokenizer.ggml.pre"]
    if kind != ("gpt2", "smollm"):
        raise ValueError(f"its tokenizer is {kind}, not ('gpt2', 'smollm')")
    tokens = facts["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in facts["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: at for at, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = facts["tokenizer.ggml.token_type"]
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _SPECIAL]
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    return tokenizer
