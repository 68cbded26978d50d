// The tokenizer and chat template that a GGUF file carries in its metadata.
#pragma once

#include "anemll/formats/gguf.hpp"
#include "anemll/text/tokenizer.hpp"

namespace anemll {

/// Byte-level BPE of the known pre-tokenizers; others are data errors that name them. The hash covers every
/// metadata entry whose key begins with "tokenizer.".
TextModel text_model_from_gguf(const GgufFile& file);

}  // namespace anemll
