"""What a user would have otherwise: training steps of plain PyTorch that change every weight of a model's layers.
A step is forward, cross-entropy to the next token, backward and fused AdamW; embeddings (and a head tied to them) stay.
Weights and moments are fp32; with bf16 the products run under autocast. Prints one JSON object.

  full_weight_step.py MODEL_DIR BATCH LENGTH PRECISION THREADS STEPS WARMUP
"""
import json
import os
import statistics
import sys
import time


def refuse(code, what, hint):
    print(f"full_weight_step.py: {what}\nhint: {hint}", file=sys.stderr)
    sys.exit(code)


def numbers(words):
    try:
        found = [int(word) for word in words]
    except ValueError:
        found = [0]
    if min(found) < 1:
        refuse(2, "not a whole number above 0: " + " ".join(words), "full_weight_step.py --help")
    return found


def main():
    if "--help" in sys.argv[1:] or "-h" in sys.argv[1:]:
        print(__doc__.strip())
        return
    if len(sys.argv) != 8:
        refuse(2, "seven arguments are needed", "full_weight_step.py --help")
    folder, precision = sys.argv[1], sys.argv[4]
    batch, length, threads, steps, warmup = numbers(sys.argv[2:4] + sys.argv[5:8])
    if precision not in ("fp32", "bf16"):
        refuse(2, f"no such precision: {precision}", "fp32 or bf16")
    if not os.path.isfile(os.path.join(folder, "config.json")):
        refuse(3, f"{folder} has no config.json", "give a Hugging Face folder with its weights")
    try:
        import torch
        import transformers
    except ImportError as error:
        refuse(2, f"{error.name} is missing", "a virtual environment with: pip install torch transformers; PYTHON names its interpreter")

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).float()
    model.train()
    model.get_input_embeddings().weight.requires_grad_(False)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6, fused=True)
    seconds = []
    for _ in range(warmup + steps):
        ids = torch.randint(0, model.config.vocab_size, (batch, length))
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    if not torch.isfinite(loss):
        refuse(5, "the loss is not finite", "check the model's weights")
    rate = batch * length / statistics.median(seconds[warmup:])
    print(json.dumps({"tokens_per_s": round(rate, 2), "trained_weights": sum(p.numel() for p in trained),
                      "torch": torch.__version__, "transformers": transformers.__version__}))


main()
