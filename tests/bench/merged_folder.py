"""A merged model folder as the transformers library reads it, beside what our programs say of the checkpoint.

  merged_folder.py ids FOLDER TEXT COUNT
      prints the first COUNT token ids of TEXT
  merged_folder.py compare FOLDER IDS KL_JSON PROMPT ANSWER
      IDS: token ids, of whose second half the next token is scored. KL_JSON: what true_kl printed for them. PROMPT, ANSWER:
      files with what anemll_infer was asked and said, greedily. Prints one JSON object; exit code 1 if they disagree.
"""
import json
import math
import sys

# true_kl prints four decimals of a perplexity; sums of fp32 products in another order move a logit by about 1e-4.
PERPLEXITY_ERROR = 1e-3
# Of a fp32 folder beside the checkpoint, both read by our decoder.
KL_ERROR = 1e-4
# Our token may be the second by so much: fp32 products in another order.
LOGIT_ERROR = 2e-2


def refuse(code, what, hint):
    print(f"merged_folder.py: {what}\nhint: {hint}", file=sys.stderr)
    sys.exit(code)


def read(path):
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        refuse(3, f"cannot read {path}: {error}", "give a UTF-8 text")


def tokenizer_of(folder):
    try:
        import transformers
    except ImportError as error:
        refuse(2, f"{error.name} is missing", "a virtual environment with: pip install torch transformers; PYTHON names its interpreter")
    return transformers.AutoTokenizer.from_pretrained(folder)


def print_ids(folder, text, count):
    ids = tokenizer_of(folder)(read(text), add_special_tokens=False)["input_ids"][:count]
    if len(ids) < count:
        refuse(3, f"{text} has {len(ids)} tokens, {count} are needed", "give a longer text")
    print(*ids)


def compare(folder, ids_file, kl_file, prompt_file, answer_file):
    tokenizer = tokenizer_of(folder)
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder).float().eval()

    def logits_of(ids):
        with torch.inference_mode():
            return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]

    ids = [int(word) for word in read(ids_file).split()]
    ours = json.loads(read(kl_file))
    half = len(ids) // 2
    logits = logits_of(ids)[half:-1]
    theirs = math.exp(torch.nn.functional.cross_entropy(logits, torch.tensor(ids[half + 1:])).item())

    # At each place of the answer: how far our token is below the likeliest.
    prompt = tokenizer(read(prompt_file), add_special_tokens=False)["input_ids"]
    text = read(prompt_file) + read(answer_file).removesuffix("\n")
    whole = tokenizer(text, add_special_tokens=False)["input_ids"]
    if whole[:len(prompt)] != prompt or len(whole) == len(prompt):
        refuse(3, "the answer does not continue the prompt in tokens", "another TEXT, whose first line with four words ends in a full stop")
    answer = torch.tensor(whole[len(prompt):])
    places = logits_of(whole)[len(prompt) - 1:-1]
    below = places.max(dim=1).values - places.gather(1, answer[:, None])[:, 0]

    result = {
        "transformers": transformers.__version__,
        "scored_tokens": len(ids) - 1 - half,
        "kl_merged_checkpoint": ours["kl"],
        "perplexity": {"checkpoint": ours["student_ppl"], "merged": ours["teacher_ppl"], "transformers": round(theirs, 4)},
        "answer": {"tokens": len(answer), "same_as_likeliest": int((below == 0).sum()), "largest_gap": round(below.max().item(), 5)},
    }
    result["agrees"] = (
        abs(ours["kl"]) <= KL_ERROR
        and abs(ours["student_ppl"] / theirs - 1) <= PERPLEXITY_ERROR
        and abs(ours["teacher_ppl"] / theirs - 1) <= PERPLEXITY_ERROR
        and result["answer"]["largest_gap"] <= LOGIT_ERROR
    )
    print(json.dumps(result))
    sys.exit(0 if result["agrees"] else 1)


words = sys.argv[1:]
if "--help" in words or "-h" in words:
    print(__doc__.strip())
elif len(words) == 4 and words[0] == "ids" and words[3].isdigit():
    print_ids(words[1], words[2], int(words[3]))
elif len(words) == 6 and words[0] == "compare":
    compare(*words[1:])
else:
    refuse(2, "wrong arguments", "merged_folder.py --help")
