// Full-vocabulary KL(teacher || student) at T = 1 on plain text given as token ids: disjoint chunks, the
// second half of each scored, both models in fp32. Prints one JSON object.
//
//   true_kl MODEL_DIR CHECKPOINT.pt IDS.txt [CHUNKS [CHUNK_TOKENS]]     (student = V2 checkpoint of that
//   model)
#include "anemll/core/error.hpp"
#include "anemll/model/model_files.hpp"
#include "src/core/tool.hpp"
#include "src/score/text_score.hpp"
#include "src/student/student.hpp"
#include "tests/support/open_student.hpp"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace {

int run(int argc, char** argv) {
  if (argc < 4)
    anemll::throw_usage("three arguments are needed", "true_kl",
                        "MODEL_DIR CHECKPOINT.pt IDS.txt [CHUNKS [CHUNK_TOKENS]]");
  std::vector<std::int32_t> ids;
  std::ifstream file(argv[3]);
  for (std::int32_t id = 0; file >> id;) ids.push_back(id);
  anemll::TextScorer scorer(ids, {argc > 5 ? std::stoll(argv[5]) : 512, argc > 4 ? std::stoll(argv[4]) : 4},
                            argv[3]);

  const auto comm = anemll::make_single_communicator();
  const anemll::ModelFiles files = anemll::load_model_files(argv[1]);
  anemll::Student student = anemll::test::open_student(files, argv[2]);
  student.set_evaluation();
  anemll::Decoder teacher(files, at::kCPU, true);
  scorer.run_teacher(teacher, *comm);
  const anemll::DivergenceSummary s = scorer.score(
      student.decoder(), student.decoder().head_weight(at::kFloat), teacher.head_weight(at::kFloat), *comm);
  std::printf(
      "{\"kl\": %.6f, \"median\": %.6f, \"p99\": %.6f, \"top1\": %.5f, \"student_ppl\": %.4f, "
      "\"teacher_ppl\": %.4f, \"positions\": %lld}\n",
      s.mean, s.median, s.p99, s.top1, std::exp(s.student_nll), std::exp(s.teacher_nll),
      static_cast<long long>(s.positions));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_tool([&] { return run(argc, argv); });
}
