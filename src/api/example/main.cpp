// distill MODEL CACHE OUTPUT: 2-bit linears, their scales trained against a KD cache, for ANEMLL converters.
#include <iostream>
#include <string>

#include <anemll/anemll.hpp>

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::cerr << "distill MODEL CACHE OUTPUT\n";
    return 2;
  }
  const std::string output = argv[3];
  anemll::set_log_sink([](anemll::LogLevel level, std::string_view text) {
    if (level >= anemll::LogLevel::warning) std::cerr << text << '\n';
  });

  anemll::Model model = anemll::Model::open(argv[1]);
  std::cout << anemll::replace_linear_with_anemll_v2(model) << " linears replaced\n";
  anemll::freeze_Q_all(model);

  anemll::TrainOptions options;
  options.cache_dir = argv[2];
  options.output_dir = output + "/run";
  options.max_steps = 20;
  options.warmup_steps = 5;
  options.lr = 5e-4;
  const anemll::TrainResult run = anemll::train_e2e(model, options);
  std::cout << "KD loss " << run.initial_loss << " -> " << run.best_loss << " in " << run.steps << " steps\n";

  anemll::load_v2_checkpoint(model, output + "/run/best_state_dict.pt");
  std::cout << "of the best file: " << anemll::evaluate_kd_loss(model, options.cache_dir) << '\n';

  anemll::AneSnapOptions snap;
  snap.output = output + "/snap";
  std::cout << anemll::snap_model_for_ane_v2(model, snap).report;
  return 0;
} catch (const anemll::Error& error) {
  std::cerr << error.what() << '\n';
  return static_cast<int>(error.code());
}
