#!/usr/bin/env python3
"""The tokenizer against the Python tokenizers library, for `.ci/long tokenizers`.

  tokenizers_oracle.py goldens FILE             writes tests/golden/text/split_steps.json
  tokenizers_oracle.py compare TOOL TEXTS LINES each chain of pre-tokenizers over LINES lines, id for id
  tokenizers_oracle.py vocabularies TOOL FOLDER ggml-vocab-*.gguf with their .inp and .out

TOOL is anemll_tokenize. TEXTS is a folder of .txt, .json and .jsonl files; sources of this repository are added.
"""
import glob
import json
import os
import random
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
SPACE = r"\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
DEEPSEEK_V3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^""" "\r\n"
               r"""\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+""")
# fmt: off
CASED = [(0x41, 0x5a), (0x61, 0x7a), (0xb5, 0xb5), (0xc0, 0xd6), (0xd8, 0xf6), (0xf8, 0x1ba), (0x1bc, 0x1bf),
    (0x1c4, 0x293), (0x295, 0x2af), (0x370, 0x373), (0x376, 0x376), (0x377, 0x377), (0x37b, 0x37d), (0x37f, 0x37f),
    (0x386, 0x386), (0x388, 0x38a), (0x38c, 0x38c), (0x38e, 0x3a1), (0x3a3, 0x3f5), (0x3f7, 0x481), (0x48a, 0x52f),
    (0x531, 0x556), (0x10a0, 0x10c5), (0x13a0, 0x13f5), (0x13f8, 0x13fd), (0x1c90, 0x1cba), (0x1cbd, 0x1cbf),
    (0x1d00, 0x1d2b), (0x1d6b, 0x1d77), (0x1d79, 0x1d9a), (0x1e00, 0x1f15), (0x1f18, 0x1f1d), (0x1f20, 0x1f45),
    (0x1f48, 0x1f4d), (0x1f50, 0x1f57), (0x1f59, 0x1f59), (0x1f5b, 0x1f5b), (0x1f5d, 0x1f5d), (0x1f5f, 0x1f7d),
    (0x1f80, 0x1fb4), (0x1fb6, 0x1fbc), (0x1fbe, 0x1fbe), (0x1fc2, 0x1fc4), (0x1fc6, 0x1fcc), (0x1fd0, 0x1fd3),
    (0x1fd6, 0x1fdb), (0x1fe0, 0x1fec), (0x1ff2, 0x1ff4), (0x1ff6, 0x1ffc), (0x2102, 0x2102), (0x2107, 0x2107),
    (0x210a, 0x2113), (0x2115, 0x2115), (0x2119, 0x211d), (0x2124, 0x2124), (0x2126, 0x2126), (0x2128, 0x2128),
    (0x212a, 0x212d), (0x212f, 0x2134), (0x2139, 0x2139), (0x213c, 0x213f), (0x2145, 0x2149), (0x214e, 0x214e),
    (0x2183, 0x2183), (0x2184, 0x2184), (0x2c00, 0x2c7b), (0x2c7e, 0x2ce4), (0x2ceb, 0x2cee), (0x2cf2, 0x2cf2),
    (0x2cf3, 0x2cf3), (0xa640, 0xa66d), (0xa680, 0xa69b), (0xa722, 0xa76f), (0xa771, 0xa787), (0xa78b, 0xa78e),
    (0xab70, 0xabbf), (0xfb00, 0xfb06), (0xfb13, 0xfb17), (0xff21, 0xff3a), (0xff41, 0xff5a), (0x10400, 0x1044f),
    (0x104b0, 0x104d3), (0x104d8, 0x104fb), (0x10c80, 0x10cb2), (0x10cc0, 0x10cf2), (0x118a0, 0x118df),
    (0x1e900, 0x1e943)]
# fmt: on
LETTERS = "".join(chr(a) if a == b else chr(a) + "-" + chr(b) for a, b in CASED)


def split(regex, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}


def digits(each):
    return {"type": "Digits", "individual_digits": each}


def chain(*steps, regex=False):
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": regex}
    return {"type": "Sequence", "pretokenizers": [*steps, bytes_]}


def cased(tail, numbers):
    word = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{tail}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{tail}"
    return rf"{word}|{numbers}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{SPACE}"


def words(numbers, word=WORD, signs=SIGNS):
    return f"{CONTRACTIONS}|{word}|{numbers}|{signs}|{SPACE}"


HAN_KANA = split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+")
HAN_HANGUL = split("[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+")
GPT4O = cased(CONTRACTIONS + "?", r"\p{N}{1,3}")
POSSESSIVE = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|"
              r"\s+(?!\S)|\s+")
FALCON = chain({"type": "Punctuation", "behavior": "Contiguous"}, regex=True)
FALCON["pretokenizers"] += [digits(False), split("[0-9][0-9][0-9]")]
BLOOM = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"

CHAINS = {
    "llama3": chain(split(words(r"\p{N}{1,3}"))),
    "qwen2": chain(split(words(r"\p{N}"))),
    "qwen35": chain(split(words(r"\p{N}", r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",
                                r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"))),
    "gpt2": chain(regex=True),
    "smollm": chain(digits(True), regex=True),
    "deepseek_v3": chain(split(r"\p{N}{1,3}"), HAN_KANA, split(DEEPSEEK_V3 + "[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+")),
    "gpt4o": chain(split(GPT4O, "Removed", True)),
    "tekken": chain(split(cased("", r"\p{N}"))),
    "deepseek_llm": chain(split("[\r\n]"), split(rf"\s?[{LETTERS}]+"),
                          split("\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"),
                          split(r"\s+$"), HAN_HANGUL, digits(True)),
    "deepseek_coder": chain(split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), HAN_HANGUL, digits(True)),
    "falcon": FALCON,
    "bloom": chain(split(BLOOM)),
    "viking": chain(split(BLOOM), split(r"\p{N}")),
    "minicpm5": chain(split(r"\p{N}{1,3}"), split(words(r"\p{N}+"))),
    "seed_coder": chain(split(words(r"\p{N}{1}", signs=r" ?[^\s\p{L}\p{N}\r\n]+"))),
    "spark": chain(split(r"\p{N}{1,3}"), HAN_KANA, split(DEEPSEEK_V3 + "|[\r\n]|\\s+(?!\\S)|\\s+"), digits(True)),
    "cohere2": chain(split(r"\d{1,3}(?=(?:\d{3})*\b)"), split(GPT4O)),
    "possessive": chain(split(POSSESSIVE)),
    "no_contractions": chain(split(f"{WORD}|\\p{{N}}|{SIGNS}|{SPACE}")),
    "number_runs": chain(digits(False), split(GPT2)),
    "lines": chain(split(r"\s+$"), split(r"\p{N}+"), split(words(r"\p{N}{1,3}"), "Removed", True)),
    "bytes_apart": chain(regex=True),
    "whole": chain(),
}
CHAINS["bytes_apart"]["pretokenizers"].append(digits(True))

PIECES = {
    "words": ["Hello", "WORLD", "caf\u00e9", "\u00c4pfel", "iPhone", "HTTPServer", "\u0411\u044a\u043b\u0433",
              "\u4e2d\u6587", "\u65e5\u672c\u3054", "\u30ab\u30ca", "\ud55c\uad6d\uc5b4", "\u0939\u093f\u0928\u094d",
              "\u0e44\u0e17\u0e22", "\u05e9\u05dc\u05d5\u05dd", "\u01c5x", "\u02b0a", "\ufb01", "\u1fbe", "\u2126",
              "\U00010400", "A", "b", "\u00df", "\u017f"],
    "marks": ["e\u0301", "\u0301", "\u0301\u0301A", "n\u0303o", "\u20e3", "\u0903", "A\u0301B", "\u4e2dA", "A\u4e2dB"],
    "digits": ["1", "12", "123", "1234", "1234567", "\u0663\u0664\u0665\u0666", "\u00b2", "\u00bd", "\u2167", "3.14",
               "1,000", "12a", "a12", "\u2460", "_34", "0x1F", "\u0e51\u0e52"],
    "signs": ["!", "?!", "...", "\u2026", "\u3002", "\uff0c", "\u201c", "\u2019", "-", "--", "_", "$", "\u20ac", "+=",
              "<|", "|>", "`", "```", "/", "//", "(", ")", "[x]", "{", "\u060c", "\u0964", "\U0001f999",
              "\U0001f468\u200d\U0001f469", "\u00ad", "\u200b", "\x00", "\x7f", "\ue000", "@x", "#A", "!\u00e9", "'"],
    "apostrophes": ["'s", "'S", "'ll", "'LL", "'Ve", "'re", "'d", "'m", "'t", "'\u017f", "\u2019s", "'x", "''s"],
    "spaces": [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", "\u00a0", "\u3000", "\u2028", "\x0b",
               "\u0085", "\u200a", "  \n  ", "\t\t", "/\n", "\n/"],
}


def drawn(rng):
    kinds = [*PIECES.values(), PIECES["spaces"]]
    return "".join(rng.choice(rng.choice(kinds)) for _ in range(rng.randint(1, 9)))


def wide(rng):
    """Assigned characters of every kind; not those that are younger than both libraries' tables."""
    out = []
    for _ in range(rng.randint(1, 20)):
        value = rng.choice([rng.randint(0, 0x7f), rng.randint(0x80, 0x2fff), rng.randint(0x3000, 0xd7ff)])
        out.append(chr(value))
    return "".join(out)


def splitter(pre):
    return Tokenizer.from_str(json.dumps(bare(pre))).pre_tokenizer


def bare(pre):
    return {"version": "1.0", "added_tokens": [], "pre_tokenizer": pre,
            "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}


def goldens(path):
    rng = random.Random(15)
    texts = sorted({piece for kind in PIECES.values() for piece in kind if len(piece) > 2})
    texts += [drawn(rng) for _ in range(220)]
    digits_ = "0123456789abcdefghijklmnopqrstuvwxyz"
    lines = ["{", '"texts": ' + json.dumps(texts) + ","]
    for name, pre in CHAINS.items():
        if name in ("gpt2", "whole"):
            continue
        splits = splitter(pre)
        lengths = []
        for text in texts:
            # Behind ByteLevel a character is a byte.
            sizes = [min(len(piece), 35) for piece, _ in splits.pre_tokenize_str(text)]
            lengths.append("".join(digits_[size] for size in sizes))
        lines.append(json.dumps(name) + ": " + json.dumps({"pre_tokenizer": pre, "pieces": " ".join(lengths)}) + ",")
    lines[-1] = lines[-1][:-1]
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n}\n")


def read_lines(folder, count):
    lines = []
    for path in sorted(glob.glob(os.path.join(folder, "*"))):
        name = os.path.basename(path)
        with open(path, encoding="utf-8") as file:
            if name.endswith(".txt"):
                lines += file.read().split("\n")
            elif name.endswith(".jsonl"):
                lines += [str(v) for row in file if row.strip() for v in json.loads(row).values()]
            elif name.endswith(".json"):
                lines += [str(v) for row in json.load(file) for v in row.values()]
    for path in sorted(glob.glob(os.path.join(ROOT, "src/**/*.cpp"), recursive=True)):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        lines += [text[i:i + 400] for i in range(0, len(text), 400)]
    lines = [line for line in lines if line]
    rng = random.Random(1)
    rng.shuffle(lines)
    random_ = [drawn(rng) if i % 3 else wide(rng) for i in range(count // 4)]
    return [line[:4000] for line in lines[:count - len(random_)]] + random_


def added_tokens(vocabulary):
    rules = [("<end>", {}), ("[MASK]", {"lstrip": True}), ("<|user|>", {"rstrip": True}), ("</w>", {"normalized": True}),
             ("[S]", {"lstrip": True, "rstrip": True}), ("the", {"single_word": True, "normalized": True})]
    return [{"id": vocabulary.get(content, len(vocabulary) + i), "content": content, "special": i < 3, "normalized": False, "single_word": False,
             "lstrip": False, "rstrip": False, **more} for i, (content, more) in enumerate(rules)]


def trained(lines):
    """Merges over the borders of words, so that a wrong split shows."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=3000, initial_alphabet=alphabet, show_progress=False, max_token_length=12)
    tokenizer.train_from_iterator([piece for line in lines for piece in (line[:60], line[60:120]) if piece], trainer)
    return json.loads(tokenizer.to_str())["model"]


def run_tool(tool, model, texts):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps({"text": text}) + "\n")
        file.flush()
        done = subprocess.run([tool, "encode", "--model-id", model, "--jsonl", file.name], capture_output=True,
                              check=False)
    if done.returncode != 0:
        sys.exit(f"{model}: {done.stderr.decode(errors='replace')}")
    return [json.loads(row)["ids"] for row in done.stdout.decode().split("\n") if row]


def report(name, texts, want, got):
    bad = [i for i, text in enumerate(texts) if want[i] != got[i]]
    print(f"{name:16} {len(texts) - len(bad)} of {len(texts)}")
    for i in bad[:3]:
        print("  " + json.dumps(texts[i][:200]), want[i][:40], got[i][:40])
    return not bad and len(texts) == len(got)


def compare(tool, folder, count):
    lines = read_lines(folder, int(count))
    names = [token["content"] for token in added_tokens({})]
    rng = random.Random(2)
    texts = [line if rng.random() < 0.9 else line[:20] + rng.choice(names) + line[20:] for line in lines]
    model = trained(lines[:3000])
    good = True
    for index, (name, pre) in enumerate(CHAINS.items()):
        content = bare(pre)
        content["model"] = {**model, "ignore_merges": index % 3 == 0}
        content["normalizer"] = {"type": "NFC"} if index % 2 else None
        content["decoder"] = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
        content["added_tokens"] = added_tokens(model["vocab"])
        with tempfile.TemporaryDirectory() as place:
            path = os.path.join(place, "tokenizer.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(content, file)
            oracle = Tokenizer.from_file(path)
            want = [e.ids for e in oracle.encode_batch(texts, add_special_tokens=False)]
            good = report(name, texts, want, run_tool(tool, place, texts)) and good
    return good


def vocabularies(tool, folder):
    good, paths = True, sorted(glob.glob(os.path.join(folder, "ggml-vocab-*.gguf")))
    for path in paths:
        name = os.path.basename(path)[len("ggml-vocab-"):-len(".gguf")]
        if not os.path.exists(path + ".inp"):
            continue
        with open(path, "rb") as file:
            if b"gpt2" not in file.read(4096):
                continue
        with open(path + ".inp", encoding="utf-8", newline="") as file:
            texts = file.read().split("\n__ggml_vocab_test__\n")
        with open(path + ".out", encoding="utf-8") as file:
            want = [[int(v) for v in row.split()] for row in file.read().split("\n")[:len(texts)]]
        good = report(name, texts, want, run_tool(tool, path, texts)) and good
    return good and bool(paths)


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    result = {"goldens": goldens, "compare": compare, "vocabularies": vocabularies}[command](*arguments)
    sys.exit(0 if result is not False else 1)
