// anemll_convert merge: a checkpoint as a Hugging Face folder with plain weights.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/convert/merge.hpp"
#include "src/core/signals.hpp"
#include "src/core/work_folder.hpp"
#include "src/hub/model_text_files.hpp"
#include "src/source/recorded_model.hpp"
#include "src/tools/convert_commands.hpp"
#include "src/tools/convert_common.hpp"

#include <system_error>
#include <utility>

namespace anemll {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGeneration = "generation_config.json";
constexpr const char* kTokenizerConfig = "tokenizer_config.json";

/// Files of the model that say how it is spoken to. Links of a hub cache become files.
void copy_text_files(const fs::path& model, const fs::path& to) {
  std::vector<std::string> names = model_text_files(model);
  if (names.empty()) {
    log_warning(model.string() +
                ": no tokenizer's files are here, so the folder gets none; put those of the "
                "model beside its weights");
  }
  if (fs::exists(model / kGeneration)) names.emplace_back(kGeneration);
  for (const std::string& name : names) {
    fs::create_directories((to / name).parent_path());
    if (name == kTokenizerConfig) {
      write_file(to / name, merged_tokenizer_config(read_text(model / name)));
      continue;
    }
    std::error_code error;
    fs::copy_file(model / name, to / name, error);
    if (error) throw_data("cannot copy: " + error.message(), (model / name).string(), "check the file");
    sync_file(to / name);
  }
}

/// The same entries, with a bar, and an ear for signals.
std::vector<LazyTensor> shown(std::vector<LazyTensor> tensors, Progress& bar) {
  std::int64_t place = 0;
  for (LazyTensor& tensor : tensors) {
    tensor.make = [make = std::move(tensor.make), done = ++place, &bar] {
      leave_on_signal("writing the model", "nothing was written: run the same command again");
      bar.update(done);  // the file's order is another, so this only shows that it goes on
      return make();
    };
  }
  return tensors;
}

}  // namespace

int convert_merge_command(int argc, const char* const* argv) {
  std::string file, output;
  ModelFlags flags;
  MergedType type = MergedType::automatic;
  OptionTable table("anemll_convert merge",
                    "A Hugging Face folder with the weights multiplied out (W = Q o S), for the transformers "
                    "library and llama.cpp's converter.");
  table.add_positional("CKPT", &file, "V2 or V1 checkpoint (.pt), trained or snapped", true);
  table.add_positional("OUT_DIR", &output, "folder to make; it must not be there", true);
  table.add_choice("dtype", &type, "floats of the new model; auto: as the model's own");
  add_model_flags(table, flags, "config.json beside the checkpoint");
  table.mark_path("CKPT");
  table.mark_path("OUT_DIR");
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;

  fs::path target = fs::absolute(output).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();  // a slash at its end
  if (has_name(target))
    throw_usage("is there already", target.string(), "give OUT_DIR the name of a folder that is to be made");
  const V2Checkpoint checkpoint = open_checkpoint(file);
  const at::Device device = prepare_compute(flags);
  const FoundModel model =
      open_recorded_model(flags, table, recorded_model(checkpoint), ModelUse::generation);
  const Student student = open_student(checkpoint, model.files, device);
  const DType dtype = merged_dtype(type, model.files);

  WorkFolder work(target, ".merging", merged_model_work(), "OUT_DIR");
  work.take();
  work.clear();
  const fs::path folder = work.path() / "model";
  fs::create_directory(folder);
  CastCounts counts;
  std::vector<LazyTensor> tensors = merged_tensors(student, dtype, counts);
  require_space(folder, total_bytes(tensors));
  Progress bar("writing " + target.string(), static_cast<std::int64_t>(tensors.size()), "tensors");
  write_safetensors(folder / "model.safetensors", shown(std::move(tensors), bar),
                    {{"merged_from", checkpoint.file}});
  bar.finish();
  const bool from_folder = fs::is_directory(model.opened.path);
  write_file(folder / "config.json",
             merged_config(model.opened.config, dtype, student.files().architecture.tied_embeddings,
                           model.opened.path.string()));
  if (from_folder) {
    copy_text_files(model.opened.path, folder);
  } else {
    log_warning(model.opened.path.string() +
                ": a .gguf file has no tokenizer's files, so the folder gets none; "
                "put those of the original model beside its weights");
  }
  sync_directory(folder);
  work.publish(folder, /*replace=*/false);
  if (counts.saturated > 0) {
    log_warning(strf("%lld values were clamped to the half range", static_cast<long long>(counts.saturated)));
  }
  log_info(target.string() + ": " + std::string(name_of(dtype)) + " weights of " + student.spec().describe());
  return 0;
}

}  // namespace anemll
