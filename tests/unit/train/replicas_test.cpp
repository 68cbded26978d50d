// Ranks whose parameters differ are told by tensor and rank.
#include "src/train/internal/replicas.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

/// What each of three ranks ends with, when `change` was made to one's tensors.
std::vector<std::string> outcomes(const std::function<void(int rank, std::vector<at::Tensor>&)>& change) {
  std::vector<std::string> texts(3);
  run_local_ranks(3, [&](Communicator& comm) {
    std::vector<at::Tensor> tensors;
    for (int i = 0; i < 12; ++i) tensors.push_back(at::arange(6, at::kFloat).add(i));
    at::Tensor codes = at::zeros({4}, at::kByte);
    change(comm.rank(), tensors);
    if (comm.rank() == 0 && tensors.size() == 13) codes.fill_(1);
    tensors.resize(12);
    std::vector<FlatParameters::Item> items;
    for (std::size_t i = 0; i < tensors.size(); ++i) items.push_back({strf("t%zu", i), &tensors[i]});
    Selection selection{std::make_unique<FlatParameters>(items), {}, {{"codes", &codes}}};
    try {
      check_replicas(comm, selection);
    } catch (const Error& e) {
      texts[static_cast<std::size_t>(comm.rank())] =
          std::to_string(static_cast<int>(e.code())) + " " + e.problem();
    }
  });
  return texts;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(replicas)

BOOST_AUTO_TEST_CASE(equal_ranks_go_on) {
  for (const std::string& text : outcomes([](int, std::vector<at::Tensor>&) {}))
    BOOST_TEST(text.empty(), text);
}

BOOST_AUTO_TEST_CASE(one_bit_names_tensor_and_rank_on_every_rank) {
  const auto texts = outcomes([](int rank, std::vector<at::Tensor>& tensors) {
    if (rank == 2) tensors[5].mul_(1.0f + 1.2e-7f);
  });
  for (const std::string& text : texts) {
    BOOST_TEST(text == texts[0]);
    BOOST_TEST(text.starts_with("4 the ranks' parameters have drifted apart in 1 of 13 tensors"), text);
    BOOST_TEST((text.find("t5: ") != std::string::npos), text);
    BOOST_TEST((text.find("on rank 2") != std::string::npos), text);
    BOOST_TEST((text.find("rank 1") == std::string::npos), text);
  }
}

BOOST_AUTO_TEST_CASE(codes_count_and_a_long_list_is_cut) {
  const auto texts = outcomes([](int rank, std::vector<at::Tensor>& tensors) {
    if (rank != 0) return;
    for (at::Tensor& t : tensors) t.add_(1);
    tensors.push_back(at::zeros({1}));  // and the codes
  });
  BOOST_TEST((texts[1].find("in 13 of 13 tensors") != std::string::npos), texts[1]);
  BOOST_TEST((texts[1].find("t7: ") != std::string::npos), texts[1]);
  BOOST_TEST((texts[1].find("t8: ") == std::string::npos), texts[1]);
}

BOOST_AUTO_TEST_SUITE_END()
