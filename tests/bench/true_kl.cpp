// Full-vocabulary KL(teacher || student) at T = 1 on plain text given as token ids: disjoint chunks, the
// second half of each scored, both models in fp32. Prints one JSON object.
//
//   true_kl MODEL_DIR CHECKPOINT.pt IDS.txt [CHUNKS [CHUNK_TOKENS]]     (student = V2 checkpoint)
//   true_kl MODEL_DIR bf16          IDS.txt [CHUNKS [CHUNK_TOKENS]]     (student = the same model, bf16
//   GEMMs)
#include "anemll/core/error.hpp"
#include "anemll/core/tool.hpp"
#include "anemll/model/model_files.hpp"
#include "src/model/decoder.hpp"
#include "src/train/student.hpp"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace {

using anemll::Decoder;

at::Tensor scored_log_probabilities(Decoder& model, const at::Tensor& ids) {
  const at::Tensor hidden = model.hidden(ids, {});
  const std::int64_t half = ids.size(1) / 2;
  return at::log_softmax(model.logits(hidden.narrow(1, half, half - 1)).to(at::kFloat), -1)
      .squeeze(0);  // [half - 1, V]
}

int run(int argc, char** argv) {
  if (argc < 4)
    anemll::throw_usage("three arguments are needed", "true_kl",
                        "MODEL_DIR CHECKPOINT.pt|bf16 IDS.txt [CHUNKS [TOKENS]]");
  const std::int64_t chunks = argc > 4 ? std::stoll(argv[4]) : 4;
  const std::int64_t tokens = argc > 5 ? std::stoll(argv[5]) : 512;
  std::vector<std::int64_t> ids;
  std::ifstream file(argv[3]);
  for (std::int64_t id = 0; file >> id;) ids.push_back(id);
  if (static_cast<std::int64_t>(ids.size()) < chunks * tokens)
    anemll::throw_data("too few token ids", argv[3], "give more text");

  const at::NoGradGuard no_grad;
  const anemll::ModelFiles files = anemll::load_model_files(argv[1]);
  Decoder teacher(files, at::kCPU, true);
  std::unique_ptr<anemll::Student> student;
  std::unique_ptr<Decoder> bf16;
  if (std::string(argv[2]) == "bf16") {
    bf16 = std::make_unique<Decoder>(files, at::kCPU, true);
    bf16->set_compute(at::kBFloat16);
  } else {
    anemll::TrainOptions options;
    options.v2_checkpoint = argv[2];
    student = std::make_unique<anemll::Student>(anemll::Student::from_checkpoint(files, options, at::kCPU));
    student->set_evaluation();
    student->decoder().set_compute(at::kFloat);
  }
  Decoder& other = student ? student->decoder() : *bf16;

  double kl = 0, same = 0, count = 0, teacher_nll = 0, student_nll = 0;
  for (std::int64_t c = 0; c < chunks; ++c) {
    const at::Tensor chunk =
        at::tensor(at::ArrayRef<std::int64_t>(ids.data() + c * tokens, static_cast<std::size_t>(tokens)))
            .view({1, tokens});
    const at::Tensor p = scored_log_probabilities(teacher, chunk);
    const at::Tensor q = scored_log_probabilities(other, chunk);
    kl += (p.exp() * (p - q)).sum(at::kDouble).item<double>();
    same += p.argmax(-1).eq(q.argmax(-1)).sum().item<double>();
    const at::Tensor next = chunk.squeeze(0).narrow(0, tokens / 2 + 1, p.size(0)).unsqueeze(1);
    teacher_nll -= p.gather(1, next).sum(at::kDouble).item<double>();
    student_nll -= q.gather(1, next).sum(at::kDouble).item<double>();
    count += static_cast<double>(p.size(0));
  }
  std::printf(
      "{\"kl\": %.6f, \"top1\": %.5f, \"student_ppl\": %.4f, \"teacher_ppl\": %.4f, \"positions\": %.0f}\n",
      kl / count, same / count, std::exp(student_nll / count), std::exp(teacher_nll / count), count);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_tool([&] { return run(argc, argv); });
}
